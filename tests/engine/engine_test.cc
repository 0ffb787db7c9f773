#include "engine/engine.h"

#include <cstring>

#include "core/error.h"
#include "core/random.h"
#include "engine/forward.h"
#include "io/safetensors.h"
#include "io/support.h"

namespace moebert::engine {
namespace {

// A model of a fixture folder, with the authors' numbers: L 3, H 32, 4 heads, I 64, V 97.
struct Case {
    const char* fixture;
    int method;  // of RouteMethod; -1: dense

    std::string model() const {
        return method < 0 ? "dense" : fmt::format("moe_{}", moebert::to_string(static_cast<RouteMethod>(method)));
    }
    friend void PrintTo(const Case& c, std::ostream* out) { *out << c.fixture << " " << c.model(); }
};

Checkpoint load(const Case& c) {
    auto checkpoint = load_checkpoint(test::fixtures / c.fixture / "dense", [&](ModelConfig& config) {
        if (c.fixture == std::string("reg")) config.problem_type = ProblemType::regression;
    });
    if (c.method < 0) return checkpoint;
    checkpoint.config.moe = MoeConfig{4, 16, 8, static_cast<RouteMethod>(c.method), 0.0};
    checkpoint.tensors = read_safetensors(test::fixtures / c.fixture / fmt::format("{}.safetensors", c.model()));
    return checkpoint;
}

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

std::vector<Feature> random_sentences(std::size_t count) {
    RandomEngine engine(3);
    std::vector<Feature> features(count);
    for (auto& feature : features) {
        feature.input_ids.resize(1 + uniform_index(engine, 40));
        for (auto& id : feature.input_ids) id = static_cast<std::int32_t>(uniform_index(engine, 97));
        feature.token_type_ids.assign(feature.input_ids.size(), static_cast<std::uint8_t>(uniform_index(engine, 2)));
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
    use_one_thread();
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
    for (const auto precision : {Precision::fp32, Precision::bf16}) {
        if (!is_supported(precision)) continue;
        const auto expected = Engine(checkpoint, {precision, 1, 1}).run(features);
        EXPECT_EQ(expected.logits.size(), width * (spans ? static_cast<std::size_t>(expected.tokens) : 70U));
        for (const auto& [threads, tokens] : {std::pair{1, 64}, {2, 100}, {3, 4000}}) {
            const auto found = Engine(checkpoint, {precision, threads, tokens}).run(features);
            EXPECT_EQ(found.expert_load, expected.expert_load);
            ASSERT_EQ(found.logits.size(), expected.logits.size());
            EXPECT_EQ(std::memcmp(found.logits.data(), expected.logits.data(), 4 * found.logits.size()), 0)
                << threads << " threads, " << tokens << " tokens";
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

TEST_P(OfFixture, Bf16IsNear) {
    if (!is_supported(Precision::bf16)) GTEST_SKIP() << "this processor has no bfloat16 products";
    const auto features = random_sentences(40);
    const auto exact = Engine(checkpoint, {Precision::fp32, 1}).run(features);
    const auto rounded = Engine(checkpoint, {Precision::bf16, 1}).run(features);
    double difference = 0.0, square = 0.0;
    for (std::size_t i = 0; i < exact.logits.size(); ++i) {
        difference += std::pow(static_cast<double>(rounded.logits[i]) - exact.logits[i], 2);
        square += std::pow(static_cast<double>(exact.logits[i]), 2);
    }
    // A token near the border between two experts may go to the other one.
    const bool gated = checkpoint.config.moe && is_gated(checkpoint.config.moe->route_method);
    EXPECT_LE(std::sqrt(difference / square), gated ? 0.1 : 0.02);
}

TEST(EngineOptionsTest, AreChecked) {
    const auto checkpoint = load({"cls3", -1});
    EXPECT_THROW(Engine(checkpoint, {Precision::fp32, -1}), UsageError);
    EXPECT_THROW(Engine(checkpoint, {Precision::fp32, 1, 0}), UsageError);
    auto headless = load({"cls3", -1});
    headless.tensors.erase("classifier.weight");
    EXPECT_ERROR(Engine(headless, {}), "classifier.weight is missing");
}

TEST(EngineTest, TakesNoFeaturesAndGivesNone) {
    Engine engine(load({"cls3", -1}), {});
    EXPECT_TRUE(engine.run({}).logits.empty());
}

}  // namespace
}  // namespace moebert::engine
