#include <cmath>

#include "support.h"

namespace moebert {
namespace {

using test::Arguments;
using test::json_lines;
using test::lines_of;
using test::operator+;

class Predict : public test::Program {
protected:
    Predict() { put_model(); }
    Arguments predict(const Arguments& more = {}) const {
        return Arguments{"predict", "--model_name_or_path", path("model"), "--max_seq_length", "16"} + more;
    }
};

TEST_F(Predict, GivesEveryLineOfStandardInputALabelAndProbabilities) {
    const auto rows = json_lines(succeed(predict(), "w1 w2\nw3\nw4 w5 w6\n").out);
    ASSERT_EQ(rows.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(rows[i].at("index"), i);
        double sum = 0.0, best = 0.0;
        for (const auto& [name, p] : rows[i].at("probabilities").items()) {
            sum += p.get<double>();
            best = std::max(best, p.get<double>());
        }
        EXPECT_NEAR(sum, 1.0, 1e-6);
        EXPECT_EQ(rows[i].at("probabilities").at(rows[i].at("label").get<std::string>()), best);
    }
}

TEST_F(Predict, GivesTheSameForEveryWayToHandInTheSentences) {
    const auto expected = succeed(predict(), "w1 w2\nw3\n").out;
    put("test.txt", "w1 w2\nw3\n");
    put("test.tsv", "sentence1\nw1 w2\nw3\n");
    put("test.csv", "sentence1\nw1 w2\nw3\n");
    put("test.jsonl", "{\"sentence1\": \"w1 w2\"}\n{\"sentence1\": \"w3\"}\n");
    for (const char* file : {"test.txt", "test.tsv", "test.csv", "test.jsonl"})
        EXPECT_EQ(succeed(predict({"--test_file", path(file)})).out, expected) << file;
}

TEST_F(Predict, DoesNotLookAtLabels) {
    put("unlabelled.tsv", "sentence1\nw1 w2\nw3\n");
    put("labelled.tsv", "sentence1\tlabel\nw1 w2\tunheard\nw3\tof\n");
    put("half.tsv", "sentence1\tlabel\nw1 w2\t1\nw3\t\n");
    const auto expected = succeed(predict({"--test_file", path("unlabelled.tsv")})).out;
    EXPECT_EQ(succeed(predict({"--test_file", path("labelled.tsv")})).out, expected);
    EXPECT_EQ(succeed(predict({"--test_file", path("half.tsv")})).out, expected);
}

TEST_F(Predict, TakesPairsFromFilesAndFromLinesWithATab) {
    put("pairs.csv", "sentence1,sentence2\nw1 w2,w3\nw4,w5 w6\n");
    const auto pairs = succeed(predict({"--test_file", path("pairs.csv")})).out;
    EXPECT_EQ(succeed(predict(), "w1 w2\tw3\nw4\tw5 w6\n").out, pairs);
    EXPECT_NE(succeed(predict(), "w1 w2 w3\nw4 w5 w6\n").out, pairs);
}

TEST_F(Predict, WritesTsvAndFiles) {
    const auto lines = lines_of(succeed(predict({"--output_format", "tsv"}), "w1 w2\nw3\n").out);
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0], "index\tprediction\tLABEL_0\tLABEL_1\tLABEL_2");
    EXPECT_TRUE(lines[2].starts_with("1\tLABEL_"));
    const auto outcome = succeed(predict({"--output_file", path("out.jsonl")}), "w1 w2\nw3\n");
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(test::slurp(folder / "out.jsonl"), succeed(predict(), "w1 w2\nw3\n").out);
    succeed(predict({"--output_file", path("new/folder/out.jsonl")}), "w1 w2\nw3\n");
    EXPECT_EQ(test::slurp(folder / "new/folder/out.jsonl"), test::slurp(folder / "out.jsonl"));
}

TEST_F(Predict, TakesTheFirstSamplesOfLinesToo) {
    put("lines.txt", "w1\nw2\nw3\n");
    for (const auto& file : {Arguments{"--test_file", path("lines.txt")}, Arguments{}})
        EXPECT_EQ(lines_of(succeed(predict(Arguments{"--max_predict_samples", "2"} + file), "w1\nw2\nw3\n").out).size(),
                  2U);
}

TEST_F(Predict, RefusesWhatItWouldNotLookAt) {
    put("dev.tsv", "sentence1\nw1\n");
    refuse(2, predict({"--validation_file", path("dev.tsv")}), {"validation_file: predict reads --test_file"});
    refuse(2, predict({"--bf16", "--precision", "fp32"}), {"precision fp32: given with --bf16"}, "w1\n");
}

TEST_F(Predict, DoesNotDependOnBatchSizeOrThreads) {
    std::string text;
    for (int i = 0; i < 50; ++i) text += fmt::format("w{} w{}\n", i, i % 7) + (i % 3 == 0 ? "w1 w2 w3 w4 w5 w6\n" : "");
    const auto probabilities = [&](const char* batch, const char* threads) {
        std::vector<double> all;
        for (const auto& row :
             json_lines(succeed(predict({"--per_device_eval_batch_size", batch, "--num_threads", threads}), text).out))
            for (const auto& [name, p] : row.at("probabilities").items()) all.push_back(p);
        return all;
    };
    const auto expected = probabilities("1", "1");
    for (const auto& [batch, threads] : {std::pair{"7", "1"}, {"32", "2"}, {"1000", "2"}}) {
        const auto found = probabilities(batch, threads);
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-6);
    }
}

TEST_F(Predict, ReadsTheOfficialTestFilesOfATask) {
    std::filesystem::create_directories(folder / "MNLI");
    const std::string header =
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
        "sentence2_parse\tsentence1\tsentence2\n";
    put("MNLI/test_matched.tsv", header + "0\t1\t1a\tg\tx\tx\tx\tx\tw1\tw2\n");
    put("MNLI/test_mismatched.tsv", header + "0\t1\t1a\tg\tx\tx\tx\tx\tw3\tw4\n1\t1\t1a\tg\tx\tx\tx\tx\tw5\tw6\n");
    const auto outcome = succeed(predict({"--task_name", "mnli", "--data_dir", folder.string()}));
    const auto rows = json_lines(outcome.out);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].at("dataset"), "test_matched");
    EXPECT_EQ(rows[1].at("dataset"), "test_mismatched");
    EXPECT_EQ(rows[1].at("index"), 0);
    EXPECT_EQ(rows[2].at("index"), 1);
}

TEST_F(Predict, RawScoresAreTheLogitsThatProbabilitiesAreMadeOf) {
    const auto row = json_lines(succeed(predict(), "w1 w2\n").out).at(0);
    const auto raw = json_lines(succeed(predict({"--raw_scores"}), "w1 w2\n").out).at(0);
    EXPECT_FALSE(raw.contains("probabilities"));
    EXPECT_EQ(raw.at("label"), row.at("label"));
    const auto logits = raw.at("logits").get<std::vector<double>>();
    ASSERT_EQ(logits.size(), 3U);
    double sum = 0.0;
    for (const double logit : logits) sum += std::exp(logit);
    for (int i = 0; i < 3; ++i)
        EXPECT_NEAR(std::exp(logits[static_cast<std::size_t>(i)]) / sum,
                    row.at("probabilities").at(fmt::format("LABEL_{}", i)).get<double>(), 1e-6);
}

TEST_F(Predict, TakesATextOrAPairAsArguments) {
    const auto one = succeed(predict(), "w1 w2\n").out, pair = succeed(predict(), "w1 w2\tw3\n").out;
    EXPECT_EQ(succeed(predict({"w1 w2"})).out, one);
    EXPECT_EQ(succeed(predict({"--text", "w1 w2"})).out, one);
    EXPECT_EQ(succeed(predict({"w1 w2", "w3"})).out, pair);
    EXPECT_EQ(succeed(predict({"--text", "w1 w2", "--text_pair", "w3"})).out, pair);
    EXPECT_EQ(succeed(predict({"--text=w1 w2", "--text_pair="})).out, succeed(predict(), "w1 w2\t\n").out);
    put("texts.tsv", "sentence1\nw1\n");
    refuse(2, predict({path("texts.tsv")}), {"texts.tsv: is a file; give --test_file"});
    refuse(2, predict({"w1", "--test_file", path("texts.tsv")}), {"test_file: given beside a text"});
    refuse(2, predict({"--text_pair", "w1"}), {"text_pair: given, but no one text"});
    refuse(2, predict({"w1", "w2", "w3"}), {"w3"});
    refuse(2, predict({"w1", "--question", "w2"}), {"--question and --context: given beside a text"});
}

TEST_F(Predict, KeepsTheInputsOtherColumns) {
    put("rows.jsonl", "{\"id\": 7, \"text\": \"w1 w2\", \"lang\": \"de\"}\n{\"text\": \"w3\", \"id\": \"b\"}\n");
    put("rows.csv", "id,sentence1,label\n7,w1 w2,5\n");
    auto rows = json_lines(succeed(predict({"--test_file", path("rows.jsonl")})).out);
    EXPECT_EQ(rows.at(0).at("id"), 7);
    EXPECT_EQ(rows.at(0).at("lang"), "de");
    EXPECT_FALSE(rows.at(0).contains("text"));
    EXPECT_EQ(rows.at(1).at("id"), "b");
    EXPECT_FALSE(rows.at(1).contains("lang"));
    EXPECT_EQ(json_lines(succeed(predict(), test::slurp(folder / "rows.jsonl")).out), rows) << "the same of a pipe";
    rows = json_lines(succeed(predict({"--test_file", path("rows.csv")})).out);
    EXPECT_EQ(rows.at(0).at("id"), "7");
    EXPECT_TRUE(rows.at(0).at("label").get<std::string>().starts_with("LABEL_")) << "the prediction";
}

TEST_F(Predict, OptionsOfAnswersAreRefused) {
    refuse(2, predict({"--output_dir", path("answers")}), {"output_dir"}, "w1\n");
    refuse(2, predict({"--top_k", "2"}), {"top_k"}, "w1\n");
}

TEST_F(Predict, ItsLimitIsForEverySplit) {
    put("dev.jsonl", "{\"sentence\": \"w1\"}\n{\"sentence\": \"w2\"}\n");
    const auto outcome = succeed(predict({"--task_name", "sst2", "--split", "validation", "--validation_file",
                                          path("dev.jsonl"), "--max_predict_samples", "1"}));
    EXPECT_EQ(json_lines(outcome.out).size(), 1U);
}

}  // namespace
}  // namespace moebert
