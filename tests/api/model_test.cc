#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <thread>

#include "engine/engine.h"
#include "engine/support.h"
#include "io/support.h"
#include "moebert/c.h"
#include "moebert/moebert.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;

// A fixture's model with a vocabulary of special tokens and the words w5, w6, ...
fs::path save(const engine::Case& c, const fs::path& directory) {
    const auto checkpoint = engine::load(c);
    save_checkpoint(directory, checkpoint.config, checkpoint.tensors);
    std::ofstream vocabulary(directory / "vocab.txt");
    for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) vocabulary << token << '\n';
    for (int i = 5; i < 97; ++i) vocabulary << 'w' << i << '\n';
    return directory;
}

class ModelOf : public test::InFolder {
protected:
    Model load(const engine::Case& c, const LoadOptions& options = {}) const {
        return Model::load(save(c, folder / "model"), options);
    }
    // What the engine says of [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].
    std::vector<float> logits(const engine::Case& c, const std::vector<std::int32_t>& ids, std::size_t first) const {
        Feature feature;
        feature.input_ids = ids;
        feature.token_type_ids.assign(ids.size(), 1);
        std::fill_n(feature.token_type_ids.begin(), first, 0);
        return engine::Engine(engine::load(c), {}).run(std::span(&feature, 1)).logits;
    }
};

TEST_F(ModelOf, ClassificationClassifies) {
    const auto model = load({"cls3", 0});
    EXPECT_EQ(model.kind(), ModelKind::classification);
    EXPECT_EQ(model.labels().size(), 3U);
    EXPECT_TRUE(test::contains(model.description(), "fp32"));
    const auto found = model.classify({{"w7 w9"}, {"w7", "w9 w11"}, {""}});
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[0].logits, logits({"cls3", 0}, {2, 7, 9, 3}, 4));
    EXPECT_EQ(found[1].logits, logits({"cls3", 0}, {2, 7, 3, 9, 11, 3}, 3));
    EXPECT_EQ(found[2].logits, logits({"cls3", 0}, {2, 3}, 2));
    for (const auto& prediction : found) {
        double sum = 0.0;
        for (std::size_t i = 0; i < 3; ++i) {
            sum += prediction.probabilities[i];
            EXPECT_LE(prediction.probabilities[i], prediction.score);
        }
        EXPECT_NEAR(sum, 1.0, 1e-6);
        EXPECT_EQ(prediction.label, model.labels()[prediction.index]);
    }
    EXPECT_TRUE(model.classify({}).empty());
    EXPECT_THROW(model.regress({{"w7"}}), UsageError);
    EXPECT_THROW(model.answer({{"w7", "w8"}}), UsageError);
    EXPECT_ERROR(model.classify({{"w7"}, {"w8", "\xFF"}}), "input 1: isn't UTF-8");
}

TEST_F(ModelOf, RegressionGivesValues) {
    const auto model = load({"reg", -1});
    EXPECT_EQ(model.kind(), ModelKind::regression);
    EXPECT_EQ(model.regress({{"w7 w9"}}).front(), logits({"reg", -1}, {2, 7, 9, 3}, 4).front());
    EXPECT_EQ(model.classify({{"w7 w9"}}).front().score, model.regress({{"w7 w9"}}).front());
}

TEST_F(ModelOf, QuestionAnsweringFindsSpansOfTheContext) {
    LoadOptions options;
    options.max_seq_length = 12;
    options.doc_stride = 2;
    const auto model = load({"qa", 3}, options);
    const std::string context = "w10 w11 \xC3\xA9 w12 w13 w14 w15 w16 w17 w18 w19 w20";  // one character of two bytes
    const std::size_t most = std::numeric_limits<std::size_t>::max();
    EXPECT_GT(model.answer({{"w7 w8", context}}, most).front().size(), 20U);
    const auto found = model.answer({{"w7 w8", context}, {"w9", "w30"}}, 3);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].size(), 3U);
    EXPECT_EQ(found[1].front().text, "w30");
    const auto& best = found[0].front();
    EXPECT_GE(best.score, found[0][1].score);
    // Characters after the third token are a byte further on.
    const auto byte = [](std::int64_t at) { return static_cast<std::size_t>(at > 8 ? at + 1 : at); };
    EXPECT_EQ(best.text, context.substr(byte(best.begin), byte(best.end) - byte(best.begin)));
    EXPECT_THROW(model.classify({{"w7"}}), UsageError);
    EXPECT_ERROR(model.answer({{"w7", "w8"}, {"", "w7"}}), "query 1: question: is empty");
    EXPECT_EQ(model.max_seq_length(), 12);
}

TEST_F(ModelOf, OptionsThatCantBeAreRefused) {
    LoadOptions options;
    options.precision = "fp64";
    EXPECT_THROW(load({"cls3", -1}, options), UsageError);
    options = {};
    options.max_seq_length = 100000;
    EXPECT_THROW(load({"cls3", -1}, options), UsageError);
    EXPECT_THROW(Model::load(folder / "nothing"), Error);
    EXPECT_THROW(Model::load(std::string(5000, 'x')), Error);
}

TEST_F(ModelOf, QuestionAnsweringNeedsRoomForWindows) {
    LoadOptions options;
    for (const int length : {5, 6, 7, 12}) {
        options.max_seq_length = length;
        EXPECT_EQ(load({"qa", 3}, options).answer({{"w7", "w8 w9 w10"}}).size(), 1U) << length;
    }
    options.doc_stride = 8;
    EXPECT_ERROR(load({"qa", 3}, options), "doc_stride: 8 given; at most 7");
    options.max_seq_length = 4;
    EXPECT_ERROR(load({"qa", 3}, options), "max_seq_length: 4 given; questions need at least 5");
}

TEST_F(ModelOf, SaysWhichTextWasCut) {
    LoadOptions options;
    options.max_seq_length = 5;
    const auto found = load({"cls3", 0}, options).classify({{"w5 w6 w7"}, {"w5 w6 w7 w8"}, {"w5", "w6 w7"}});
    EXPECT_FALSE(found[0].is_truncated);
    EXPECT_TRUE(found[1].is_truncated);
    EXPECT_TRUE(found[2].is_truncated);
    EXPECT_EQ(found[1].logits, found[0].logits);
}

TEST_F(ModelOf, StreamGivesWhatTheModelGivesToAnyNumberOfThreads) {
    const auto model = load({"cls3", 2});
    std::vector<Input> inputs;
    for (int i = 5; i < 45; ++i) inputs.push_back({fmt::format("w{}{}", i, i % 3 == 0 ? " w6 w7 w8" : "")});
    const auto expected = model.classify(inputs);
    std::vector<std::future<Prediction>> futures(inputs.size());
    {
        Stream stream(model, 8);
        std::vector<std::thread> threads;
        for (std::size_t t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (std::size_t i = t; i < inputs.size(); i += 4) futures[i] = stream.classify(inputs[i]);
            });
        for (auto& thread : threads) thread.join();
    }  // what was submitted is still computed
    for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(futures[i].get().logits, expected[i].logits);
}

#if !defined(__SANITIZE_THREAD__)  // which ends a child that starts threads
// As servers do that load once and then fork.
TEST_F(ModelOf, AForkedChildComputes) {
    LoadOptions options;
    options.threads = 2;
    const auto model = load({"cls3", 2}, options);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::alarm(20);
        ::_exit(model.classify({{"w7"}, {"w8 w9"}, {"w5"}}).size() == 3 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(model.classify({{"w7"}, {"w8 w9"}}).size(), 2U);
}

// Its threads are not there: it neither waits for them nor gives wrong results, and ends as any other process.
TEST_F(ModelOf, AProcessThatForksAfterComputingIsToldSo) {
    LoadOptions options;
    options.threads = 2;
    auto model = std::make_unique<Model>(load({"cls3", 0}, options));
    auto stream = std::make_unique<Stream>(*model);
    EXPECT_EQ(stream->classify({"w7"}).get().label, model->classify({{"w7"}}).front().label);
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::alarm(20);
        const auto says = [](const std::string& part, const std::function<void()>& use) {
            return test::contains(test::error_of(use), part);
        };
        const bool told = says("before this process was forked", [&] { model->classify({{"w7"}}); }) &&
                          says("before this process was forked", [&] { stream->classify({"w7"}); });
        stream.reset();
        model.reset();
        const auto again = Model::load(folder / "model", options);
        ::_exit(told && again.classify({{"w7"}, {"w8"}}).size() == 2 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(model->classify({{"w7"}, {"w8 w9"}}).size(), 2U);
}
#endif

// A flood of requests waits in its own threads.
TEST_F(ModelOf, StreamHoldsBackThoseThatFindItFull) {
    const auto model = load({"cls3", 0});
    Stream stream(model, 2, 3);
    std::vector<std::jthread> threads;
    std::atomic<int> right = 0;
    const auto expected = model.classify({{"w7 w9"}}).front().logits;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            std::vector<std::future<Prediction>> results;
            for (int i = 0; i < 50; ++i) results.push_back(stream.classify({"w7 w9"}));
            for (auto& result : results) right += result.get().logits == expected;
        });
    threads.clear();
    EXPECT_EQ(right, 200);
    EXPECT_THROW(Stream(model, 1, 0), UsageError);
}

// Whatever else is computed at the same time, a result is what it is alone.
TEST_F(ModelOf, GivesManyThreadsWhatItGivesOne) {
    LoadOptions options;
    options.threads = 4;
    const auto model = load({"cls3", 1}, options);
    std::vector<Input> inputs;
    for (int i = 0; i < 40; ++i) {
        std::string text;
        for (int j = 0; j <= i % 13; ++j) text += fmt::format("w{} ", 5 + (7 * i + 3 * j) % 90);
        inputs.push_back({text, i % 3 == 0 ? "w20 w21" : ""});
    }
    std::vector<std::vector<float>> expected;
    for (const auto& input : inputs) expected.push_back(model.classify({input}).front().logits);
    std::atomic<int> wrong = 0;
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 16; ++t)
        threads.emplace_back([&, t] {
            for (std::size_t round = 0; round < 10; ++round) {
                const std::size_t begin = (t * 7 + round * 3) % inputs.size();
                const std::size_t count = std::min<std::size_t>(1 + (t + round) % 9, inputs.size() - begin);
                const auto from = inputs.begin() + static_cast<std::ptrdiff_t>(begin);
                const auto found = model.classify({from, from + static_cast<std::ptrdiff_t>(count)});
                for (std::size_t i = 0; i < count; ++i) wrong += found[i].logits != expected[begin + i];
            }
        });
    threads.clear();
    EXPECT_EQ(wrong, 0);
}

TEST_F(ModelOf, StreamPutsErrorsWhereTheyBelong) {
    Stream stream(load({"qa", -1}));
    auto good = stream.answer({"w7", "w8 w9"});
    auto bad = stream.answer({"w7", ""});
    auto other = stream.classify({"w7"});
    EXPECT_FALSE(good.get().text.empty());
    EXPECT_THROW(bad.get(), UsageError);
    EXPECT_THROW(other.get(), UsageError);
    EXPECT_THROW(Stream(load({"qa", -1}), 0), UsageError);
}

TEST_F(ModelOf, CInterfaceGivesTheSame) {
    char error[200] = "";
    EXPECT_EQ(moebert_load((folder / "nothing").c_str(), nullptr, error, sizeof error), nullptr);
    EXPECT_TRUE(test::contains(error, "nothing"));
    const auto model = load({"cls3", 1});
    moebert_options options = {};
    options.precision = "fp32";
    options.threads = 1;
    auto* c_model = moebert_load((folder / "model").c_str(), &options, error, sizeof error);
    ASSERT_NE(c_model, nullptr) << error;
    EXPECT_EQ(moebert_model_kind(c_model), MOEBERT_CLASSIFICATION);
    ASSERT_EQ(moebert_label_count(c_model), 3U);
    EXPECT_EQ(moebert_label(c_model, 1), model.labels()[1]);
    EXPECT_EQ(moebert_label(c_model, 3), nullptr);
    const char* texts[] = {"w7 w8", "w9"};
    const char* pairs[] = {nullptr, "w10"};
    double scores[6];
    ASSERT_EQ(moebert_classify(c_model, texts, pairs, 2, scores, error, sizeof error), 0) << error;
    const auto expected = model.classify({{"w7 w8"}, {"w9", "w10"}});
    for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(scores[i], expected[i / 3].probabilities[i % 3]);
    moebert_answer answer;
    char small[8];
    EXPECT_EQ(moebert_find_answers(c_model, texts, texts, 1, &answer, small, sizeof small), 1);
    EXPECT_EQ(std::string(small).size(), 7U);
    moebert_free(c_model);
    moebert_free(nullptr);
}

TEST_F(ModelOf, CInterfaceRefusesNull) {
    char error[200] = "";
    EXPECT_EQ(moebert_load(nullptr, nullptr, error, sizeof error), nullptr);
    EXPECT_STREQ(error, "directory: NULL given, where a text is expected");
    load({"qa", 0});
    auto* model = moebert_load((folder / "model").c_str(), nullptr, error, sizeof error);
    moebert_answer found;
    const char* questions[] = {"w7"};
    const char* contexts[] = {nullptr};
    EXPECT_EQ(moebert_find_answers(model, questions, contexts, 1, &found, error, sizeof error), 1);
    EXPECT_TRUE(test::contains(error, "contexts: NULL given"));
    moebert_free(model);
    load({"cls3", 0});
    model = moebert_load((folder / "model").c_str(), nullptr, error, sizeof error);
    const char* texts[] = {"w7", nullptr};
    double scores[6];
    EXPECT_EQ(moebert_classify(model, texts, nullptr, 2, scores, error, sizeof error), 1);
    EXPECT_TRUE(test::contains(error, "texts: NULL given"));
    moebert_free(model);
}

TEST_F(ModelOf, ResultsThatAreNoNumbersAreAnError) {
    for (const char* fixture : {"cls3", "qa"}) {
        auto checkpoint = engine::load({fixture, -1});
        auto& tensor = checkpoint.tensors.at("bert.encoder.layer.1.output.LayerNorm.bias");
        tensor = Tensor::from<float>(tensor.shape, std::vector<float>(tensor.as<float>().size(), 3e38F));
        save({fixture, -1}, folder / "model");
        save_checkpoint(folder / "model", checkpoint.config, checkpoint.tensors);
        const auto model = Model::load(folder / "model");
        const auto use = [&] {
            if (model.kind() == ModelKind::classification) return void(model.classify({{"w7"}}));
            model.answer({{"w7", "w8 w9"}});
        };
        EXPECT_ERROR(use(), "expected a finite number");
    }
}

// With options that a C program sets: windows of twelve tokens instead of one of 384, answers of two.
TEST_F(ModelOf, CInterfaceSaysWhereAnswersAreInBytes) {
    const std::string context = "\xC3\xA9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19";
    LoadOptions same;
    same.max_seq_length = 12;
    same.doc_stride = 2;
    same.max_answer_length = 2;
    const auto expected = load({"qa", 0}, same).answer({{"w7", context}, {"w8", "w9"}});
    char error[200] = "";
    moebert_options options = {};
    options.max_seq_length = 12;
    options.doc_stride = 2;
    options.max_answer_length = 2;
    auto* model = moebert_load((folder / "model").c_str(), &options, error, sizeof error);
    ASSERT_NE(model, nullptr) << error;
    EXPECT_EQ(moebert_model_kind(model), MOEBERT_QUESTION_ANSWERING);
    EXPECT_EQ(moebert_max_seq_length(model), 12);
    const char* questions[] = {"w7", "w8"};
    const char* contexts[] = {context.c_str(), "w9"};
    moebert_answer found[2];
    ASSERT_EQ(moebert_find_answers(model, questions, contexts, 2, found, error, sizeof error), 0) << error;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& best = expected[i].front();
        EXPECT_EQ(std::string(contexts[i]).substr(found[i].text_begin, found[i].text_end - found[i].text_begin),
                  best.text);
        EXPECT_EQ(found[i].begin, best.begin);
        EXPECT_EQ(found[i].score, best.score);
    }
    moebert_free(model);
}

TEST_F(ModelOf, CInterfaceMayFindNoAnswer) {
    load({"qa", 0});
    char error[200] = "";
    moebert_options options = {};
    options.version_2_with_negative = 1;
    options.null_score_diff_threshold = -1e6;
    auto* model = moebert_load((folder / "model").c_str(), &options, error, sizeof error);
    ASSERT_NE(model, nullptr) << error;
    const char* questions[] = {"w7"};
    const char* contexts[] = {"w8 w9"};
    moebert_answer found;
    ASSERT_EQ(moebert_find_answers(model, questions, contexts, 1, &found, error, sizeof error), 0) << error;
    EXPECT_EQ(found.text_begin, found.text_end);
    moebert_free(model);
}

TEST(Library, SaysItsVersion) { EXPECT_STREQ(moebert_version(), version()); }

}  // namespace
}  // namespace moebert
