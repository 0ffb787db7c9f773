#include "engine/engine.h"

#include <atomic>
#include <cstring>
#include <thread>

#include "core/error.h"
#include "engine/forward.h"
#include "engine/support.h"
#include "io/support.h"

namespace moebert::engine {
namespace {

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
    std::vector<T> out(tensor.bytes.size() / sizeof(T));
    std::memcpy(out.data(), tensor.bytes.data(), tensor.bytes.size());
    return out;
}

constexpr std::size_t kSentences = 6, kWidth = 19, kHidden = 32;

// The fixture's sentences without their padding.
std::vector<Feature> fixture_sentences(const std::string& fixture) {
    const auto inputs = read_safetensors(test::fixtures / fixture / "inputs.safetensors");
    const auto ids = values_of<std::int64_t>(inputs.at("input_ids"));
    const auto mask = values_of<std::int64_t>(inputs.at("attention_mask"));
    const auto types = values_of<std::int64_t>(inputs.at("token_type_ids"));
    std::vector<Feature> features(kSentences);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (mask[i] == 0) continue;
        features[i / kWidth].input_ids.push_back(static_cast<std::int32_t>(ids[i]));
        features[i / kWidth].token_type_ids.push_back(static_cast<std::uint8_t>(types[i]));
    }
    return features;
}

class OfFixture : public testing::TestWithParam<Case> {
protected:
    Checkpoint checkpoint = load(GetParam());
};

std::vector<Case> all_cases() {
    std::vector<Case> cases;
    for (const char* fixture : {"cls3", "reg", "qa"})
        for (int method = -1; method < 4; ++method) cases.push_back({fixture, method});
    return cases;
}
INSTANTIATE_TEST_SUITE_P(Engine, OfFixture, testing::ValuesIn(all_cases()));

TEST_P(OfFixture, HiddenStatesAndLogitsAreTheAuthors) {
    const OneThread one;
    const auto file = test::fixtures / GetParam().fixture / fmt::format("{}_expected.safetensors", GetParam().model());
    const auto expected = read_safetensors(file);
    const std::string prefix = GetParam().method < 0 ? "" : "eval.";
    const auto features = fixture_sentences(GetParam().fixture);
    std::vector<const Feature*> sentences;
    for (const auto& feature : features) sentences.push_back(&feature);
    const auto weights = pack_weights(checkpoint, Precision::fp32);
    Worker worker(weights);
    worker.keep_hidden_states();
    const auto logits = worker.run(sentences);
    for (std::size_t k = 0; k <= 3; ++k) {
        const auto states = values_of<float>(expected.at(fmt::format("{}hidden.{}", prefix, k)));
        std::size_t row = 0;
        for (std::size_t b = 0; b < kSentences; ++b)
            for (std::size_t t = 0; t < features[b].input_ids.size(); ++t, ++row)
                for (std::size_t i = 0; i < kHidden; ++i)
                    ASSERT_NEAR(worker.hidden_states()[k][row * kHidden + i], states[(b * kWidth + t) * kHidden + i],
                                1e-5)
                        << "layer " << k << " sentence " << b << " token " << t;
    }
    if (!expected.contains(prefix + "logits")) return;  // spans: the last hidden states tell
    const auto plain = values_of<float>(expected.at(prefix + "logits"));
    for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(logits[i], plain[i], 1e-5);
    // Without the hidden states less is computed.
    Worker quick(weights);
    const auto same = quick.run(sentences);
    for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(same[i], plain[i], 1e-5);
}

TEST_P(OfFixture, LogitsAreTheSameBitForBitInAnyBatchOrderAndNumberOfThreads) {
    const auto features = random_sentences(70);
    const auto width = static_cast<std::size_t>(checkpoint.config.num_labels());
    const bool spans = checkpoint.config.problem_type == ProblemType::question_answering;
    for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
        if (!is_supported(precision)) continue;
        const auto expected = Engine(checkpoint, {precision, 1, 1}).run(features);
        EXPECT_EQ(expected.logits.size(), width * (spans ? static_cast<std::size_t>(expected.tokens) : 70U));
        for (const auto& options :
             {EngineOptions{precision, 1, 64}, EngineOptions{precision, 2, 100}, EngineOptions{precision, 3, 4000},
              EngineOptions{precision, 1, 4000, 3}, EngineOptions{precision, 2, 512, 0, Sharing::columns},
              EngineOptions{precision, 3, 512, 0, Sharing::columns}}) {
            const auto found = Engine(checkpoint, options).run(features);
            EXPECT_EQ(found.expert_load, expected.expert_load);
            ASSERT_EQ(found.logits.size(), expected.logits.size());
            EXPECT_EQ(std::memcmp(found.logits.data(), expected.logits.data(), 4 * found.logits.size()), 0)
                << options.threads << " threads, " << options.max_tokens << " tokens";
        }
        auto reversed = features;
        std::ranges::reverse(reversed);
        const auto backwards = Engine(checkpoint, {precision, 1, 200}).run(reversed);
        std::size_t at = 0, end = expected.logits.size();
        for (const auto& feature : features) {
            const auto size = width * (spans ? feature.input_ids.size() : 1U);
            end -= size;
            EXPECT_EQ(std::memcmp(backwards.logits.data() + end, expected.logits.data() + at, 4 * size), 0);
            at += size;
        }
    }
}

TEST_P(OfFixture, RoundedPrecisionsAreNear) {
    const auto features = random_sentences(40);
    const auto exact = Engine(checkpoint, {Precision::fp32, 1}).run(features);
    // A token near the border between two experts may go to the other one.
    const bool gated = checkpoint.config.moe && is_gated(checkpoint.config.moe->route_method);
    for (const auto& [precision, bound] : {std::pair{Precision::bf16, 0.02}, {Precision::int8, 0.05}}) {
        if (!is_supported(precision)) continue;
        const auto rounded = Engine(checkpoint, {precision, 1}).run(features);
        double difference = 0.0, square = 0.0;
        for (std::size_t i = 0; i < exact.logits.size(); ++i) {
            difference += std::pow(static_cast<double>(rounded.logits[i]) - exact.logits[i], 2);
            square += std::pow(static_cast<double>(exact.logits[i]), 2);
        }
        EXPECT_LE(std::sqrt(difference / square), gated ? 5 * bound : bound) << to_string(precision);
    }
}

TEST_P(OfFixture, SeveralThreadsMayAskAtOnce) {
    const Engine engine(checkpoint, {Precision::fp32, 2});
    const auto features = random_sentences(12);
    const auto expected = engine.run(features).logits;
    std::atomic<int> equal = 0;
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < 5; ++i)
            callers.emplace_back([&, i] {
                // Some ask for one sentence, which free workers share.
                const auto count = i % 2 == 0 ? features.size() : 1;
                for (int repeat = 0; repeat < 5; ++repeat) {
                    const auto found = engine.run(std::span(features).first(count)).logits;
                    equal += std::equal(found.begin(), found.end(), expected.begin());
                }
            });
    }
    EXPECT_EQ(equal, 25);
}

// Layers whose columns are cut, with more threads than one that has to take its part of each.
TEST(EngineTest, ThreadsThatShareASentenceGiveTheSameBits) {
    auto features = random_sentences(6);
    features[2].input_ids.resize(150, 5);
    features[2].token_type_ids.resize(150, 0);
    for (const auto type : {ProblemType::classification, ProblemType::question_answering})
        for (int method = -1; method < 4; ++method) {
            const auto checkpoint = wide_model(method, type);
            for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
                if (!is_supported(precision)) continue;
                const auto expected = Engine(checkpoint, {precision, 1}).run(features);
                for (const std::int64_t threads : {2, 3, 4}) {
                    const Engine engine(checkpoint, {precision, threads, 512, 0, Sharing::columns});
                    for (int again = 0; again < 2; ++again) {
                        const auto found = engine.run(features);
                        EXPECT_EQ(found.expert_load, expected.expert_load);
                        EXPECT_EQ(found.logits, expected.logits)
                            << to_string(precision) << ", method " << method << ", " << threads << " threads";
                    }
                }
            }
        }
}

TEST(EngineOptionsTest, AreChecked) {
    const auto checkpoint = load({"cls3", -1});
    EXPECT_THROW(Engine(checkpoint, {Precision::fp32, -1}), UsageError);
    EXPECT_THROW(Engine(checkpoint, {Precision::fp32, 1025}), UsageError);
    EXPECT_THROW(Engine(checkpoint, {Precision::fp32, 1, 0}), UsageError);
    auto headless = load({"cls3", -1});
    headless.tensors.erase("classifier.weight");
    EXPECT_ERROR(Engine(headless, {}), "classifier.weight is missing");
}

// Bytes have no not-a-number, and yet none gets lost.
TEST(EngineTest, Int8HidesNoBrokenWeights) {
    if (!is_supported(Precision::int8)) GTEST_SKIP() << "this processor has no products of bytes";
    const std::string layer = "bert.encoder.layer.0.";
    const auto with_nan = [](const std::string& name) {
        auto checkpoint = wide_model(-1, ProblemType::classification);
        auto& tensor = checkpoint.tensors.at(name);
        auto values = std::vector<float>(tensor.as<float>().begin(), tensor.as<float>().end());
        values[values.size() / 3] = NAN;
        tensor = Tensor::from<float>(tensor.shape, values);
        return checkpoint;
    };
    EXPECT_ERROR(Engine(with_nan(layer + "intermediate.dense.weight"), {Precision::int8}),
                 "intermediate.dense.weight: nan, where int8 expects finite numbers");
    for (const char* name : {"intermediate.dense.bias", "attention.output.LayerNorm.weight"})
        for (const float logit : Engine(with_nan(layer + name), {Precision::int8}).run(random_sentences(3)).logits)
            EXPECT_TRUE(std::isnan(logit)) << name;
}

TEST(EngineTest, TakesNoFeaturesAndGivesNone) {
    Engine engine(load({"cls3", -1}), {});
    EXPECT_TRUE(engine.run({}).logits.empty());
}

}  // namespace
}  // namespace moebert::engine
