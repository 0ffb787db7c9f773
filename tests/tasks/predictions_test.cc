#include "tasks/predictions.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/support.h"

namespace moebert::test {
namespace {

const Labels classes{ProblemType::classification, {"no", "y\"es\t", "may\nbe"}};
const Labels score{ProblemType::regression, {"score"}};

std::string written(PredictionFormat format, const Labels& labels, std::vector<float> logits,
                    std::vector<PredictionPart> parts = {}, ScoreKind kind = ScoreKind::probabilities) {
    std::ostringstream out;
    write_predictions(out, format, labels, logits, std::move(parts), kind);
    return out.str();
}

TEST(Predictions, JsonLinesHoldLabelAndProbabilities) {
    std::istringstream lines(written(PredictionFormat::json_lines, classes, {0, 1, 0, 2, 0, 0}));
    std::string line;
    std::getline(lines, line);
    const auto first = nlohmann::json::parse(line);
    EXPECT_EQ(first["index"], 0);
    EXPECT_EQ(first["label"], "y\"es\t");
    EXPECT_NEAR(first["probabilities"]["y\"es\t"], std::exp(1.0) / (2 + std::exp(1.0)), 1e-7);
    std::getline(lines, line);
    EXPECT_EQ(nlohmann::json::parse(line)["label"], "no");
    EXPECT_FALSE(std::getline(lines, line));
}

TEST(Predictions, JsonLinesOfARegressionHoldTheScoreExactly) {
    const auto object = nlohmann::json::parse(written(PredictionFormat::json_lines, score, {0.1F}));
    EXPECT_EQ(object["score"].get<float>(), 0.1F);
}

TEST(Predictions, LogitsStandInPlaceOfProbabilities) {
    const Labels labels{ProblemType::classification, {"no", "yes"}};
    EXPECT_EQ(written(PredictionFormat::json_lines, labels, {0.5F, -1.25F}, {}, ScoreKind::logits),
              "{\"index\": 0, \"label\": \"no\", \"logits\": [0.5, -1.25]}\n");
    EXPECT_EQ(written(PredictionFormat::tsv, labels, {0.5F, -1.25F}, {}, ScoreKind::logits),
              "index\tprediction\tno\tyes\n0\tno\t0.5\t-1.25\n");
    EXPECT_EQ(written(PredictionFormat::json_lines, score, {0.1F}, {}, ScoreKind::logits),
              "{\"index\": 0, \"score\": 0.1, \"logits\": [0.1]}\n");
}

TEST(Predictions, KeepTheInputsColumnsThatHaveNamesOfTheirOwn) {
    const KeptColumns columns{{"id", "label", "tags", "yes"},
                              {{"7", "\"gold\"", "[1,2]", "\"a\\tb\""}, {"\"x\"", "", "", ""}}};
    const Labels labels{ProblemType::classification, {"no", "yes"}};
    const std::vector<PredictionPart> parts{{"", 2, columns}};
    std::istringstream lines(written(PredictionFormat::json_lines, labels, {0, 0, 0, 0}, parts));
    std::string line;
    std::getline(lines, line);
    const auto first = nlohmann::json::parse(line);
    EXPECT_EQ(first.at("id"), 7);
    EXPECT_EQ(first.at("label"), "no");
    EXPECT_EQ(first.at("tags"), (nlohmann::json{1, 2}));
    EXPECT_EQ(first.at("yes"), "a\tb");
    std::getline(lines, line);
    EXPECT_EQ(nlohmann::json::parse(line).at("id"), "x");
    EXPECT_FALSE(nlohmann::json::parse(line).contains("tags"));
    EXPECT_EQ(written(PredictionFormat::tsv, labels, {0, 0, 0, 0}, parts),
              "index\tprediction\tno\tyes\tid\ttags\n0\tno\t0.5\t0.5\t7\t[1,2]\n1\tno\t0.5\t0.5\tx\t\n");
}

TEST(Predictions, TsvBeginsWithIndexAndPredictionAsRunGlueWritesThem) {
    EXPECT_EQ(written(PredictionFormat::tsv, {ProblemType::classification, {"no", "yes"}}, {0, 0}),
              "index\tprediction\tno\tyes\n0\tno\t0.5\t0.5\n");
    EXPECT_EQ(written(PredictionFormat::tsv, score, {2.5F, -1}), "index\tprediction\n0\t2.5\n1\t-1\n");
}

TEST(Predictions, OfSeveralDataSetsAreNumberedEach) {
    EXPECT_EQ(written(PredictionFormat::tsv, score, {2.5F, -1, 3}, {{"a", 1}, {"b", 2}}),
              "dataset\tindex\tprediction\na\t0\t2.5\nb\t0\t-1\nb\t1\t3\n");
    EXPECT_EQ(written(PredictionFormat::json_lines, score, {2.5F}, {{"a", 1}}),
              "{\"dataset\": \"a\", \"index\": 0, \"score\": 2.5}\n");
    EXPECT_ERROR(written(PredictionFormat::tsv, score, {1}, {{"a", 2}}), "1 logits are missing");
}

TEST(Predictions, TsvKeepsLabelsInOneCell) {
    const std::string text = written(PredictionFormat::tsv, classes, {0, 1, 0});
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\t'), 8);
}

TEST(Predictions, LargeLogitsGiveProbabilitiesToo) {
    const auto object = nlohmann::json::parse(written(PredictionFormat::json_lines, classes, {3e38F, -3e38F, 0}));
    EXPECT_EQ(object["probabilities"]["no"], 1);
}

TEST(Predictions, LogitsThatAreNotFiniteOrDontFitAreErrors) {
    const float infinity = std::numeric_limits<float>::infinity();
    EXPECT_ERROR(written(PredictionFormat::tsv, classes, {0, 0, 0, 0, infinity, 0}), "example 1");
    EXPECT_ERROR(written(PredictionFormat::tsv, classes, {0, 0}), "rows of 3 labels");
    EXPECT_ERROR(written(PredictionFormat::tsv, Labels{}, {0}), "rows of 0 labels");
}

TEST(Predictions, DecideTakesTheFirstGreatestLogitOrTheValue) {
    EXPECT_EQ(decide(classes, std::vector<float>{0, 2, 2, 1, 1, 1}), std::vector<double>({1, 0}));
    EXPECT_EQ(decide(score, std::vector<float>{0.5, -2}), std::vector<double>({0.5, -2}));
}

TEST(Predictions, FormatsHaveNames) {
    EXPECT_EQ(parse_prediction_format("tsv"), PredictionFormat::tsv);
    EXPECT_THROW(parse_prediction_format("xml"), UsageError);
}

}  // namespace
}  // namespace moebert::test
