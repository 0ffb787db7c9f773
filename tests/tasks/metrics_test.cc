#include "tasks/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace moebert {
namespace {

using Values = std::vector<double>;

// scikit-learn's and SciPy's values (tests/tasks/make_metrics.py). Both sides add up at most 40 numbers in double
// precision, in different orders.
constexpr double tolerance = 1e-12;

void expect_known_values(const char* kind, const std::vector<std::string>& names) {
    std::ifstream file(MOEBERT_SOURCE_DIR "/tests/tasks/data/metrics.json");
    const auto cases = nlohmann::json::parse(file).at(kind);
    ASSERT_GE(cases.size(), 9U);
    for (const auto& known : cases) {
        const Values predictions = known["predictions"], labels = known["labels"];
        for (const auto& [name, value] : compute_metrics(names, predictions, labels)) {
            if (known[name].is_null()) {
                EXPECT_TRUE(name == "f1" || std::isnan(value)) << name << ' ' << known;
            } else {
                const double expected = known[name];
                EXPECT_NEAR(value, expected, tolerance * std::max(1.0, std::abs(expected))) << name << ' ' << known;
            }
        }
    }
}

TEST(Metrics, OfClassesEqualScikitLearn) {
    expect_known_values("classification", {"accuracy", "f1", "matthews_correlation"});
}

TEST(Metrics, OfValuesEqualSciPy) { expect_known_values("regression", {"pearson", "spearmanr", "mse"}); }

TEST(Metrics, CombinedScoreIsTheMeanOfTheOthers) {
    const Values predictions = {1, 1, 0, 0}, labels = {1, 0, 0, 0};
    const Metrics metrics = compute_metrics({"accuracy", "f1", "combined_score"}, predictions, labels);
    ASSERT_EQ(metrics.size(), 3U);
    EXPECT_EQ(metrics[2].first, "combined_score");
    EXPECT_DOUBLE_EQ(metrics[2].second, (0.75 + 2.0 / 3) / 2);
}

TEST(Metrics, KeepTheOrderAskedFor) {
    const Values values = {0, 1};
    const Metrics metrics = compute_metrics({"f1", "accuracy"}, values, values);
    EXPECT_EQ(metrics[0].first, "f1");
    EXPECT_EQ(metrics[1].first, "accuracy");
}

TEST(Metrics, ADivergedModelScoresNotANumberInsteadOfAFigure) {
    const Values predictions = {1, std::nan(""), 3}, labels = {1, 2, 3};
    EXPECT_TRUE(std::isnan(pearson(predictions, labels)));
    EXPECT_TRUE(std::isnan(spearman(predictions, labels)));
    EXPECT_TRUE(std::isnan(mean_squared_error(predictions, labels)));
    EXPECT_DOUBLE_EQ(accuracy(predictions, labels), 2.0 / 3);
}

TEST(Metrics, RefuseSizesThatDontFitAndUnknownNames) {
    const Values one = {1}, two = {1, 2}, none;
    EXPECT_THROW(accuracy(one, two), Error);
    EXPECT_THROW(pearson(none, none), Error);
    EXPECT_THROW(compute_metrics({"bleu"}, one, one), Error);
    EXPECT_THROW(compute_metrics({"combined_score"}, one, one), Error);
}

}  // namespace
}  // namespace moebert
