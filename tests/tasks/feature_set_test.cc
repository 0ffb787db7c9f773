#include "tasks/feature_set.h"

#include <cmath>

#include "core/error.h"
#include "io/support.h"

namespace moebert {
namespace {

const Labels kTwo{ProblemType::classification, {"a", "b"}}, kNumber{ProblemType::regression, {"score"}};

FeatureSet labelled(const std::vector<double>& labels) {
    FeatureSet set{"dev.tsv", std::vector<Feature>(labels.size()), {}, true, {}};
    for (std::size_t i = 0; i < labels.size(); ++i) set.features[i].label = labels[i];
    return set;
}

TEST(ScoreLogits, ComparesDecisionsWithLabelsAndAddsTheLoss) {
    const std::vector<float> logits{1, 0, 0, 1, 3, 2};
    const auto metrics = score_logits(labelled({0, 1, 1}), kTwo, logits, {}).metrics;
    ASSERT_EQ(metrics.size(), 8U);
    EXPECT_EQ(metrics[0].first, "accuracy");
    EXPECT_NEAR(metrics[0].second, 2.0 / 3, 1e-12);
    EXPECT_EQ(metrics[1].first, "precision_macro");
    EXPECT_EQ(metrics.back().first, "loss");
    const double right = std::log(1 + std::exp(-1.0)), wrong = std::log(1 + std::exp(1.0));
    EXPECT_NEAR(metrics.back().second, (2 * right + wrong) / 3, 1e-12);
}

TEST(ScoreLogits, LossOfNumbersIsTheMeanSquare) {
    const auto metrics = score_logits(labelled({1, 2}), kNumber, std::vector<float>{2, 4}, {}).metrics;
    EXPECT_EQ(metrics.back(), (std::pair<std::string, double>{"loss", 2.5}));
}

TEST(TakeLabelOrder, RenumbersTheSameNamesAndLeavesOthersAlone) {
    auto set = labelled({0, 1, 1});
    set.labels = kTwo;
    take_label_order(set, {ProblemType::classification, {"b", "c"}});
    take_label_order(set, kNumber);
    EXPECT_EQ(set.labels, kTwo);
    take_label_order(set, {ProblemType::classification, {"b", "a"}});
    EXPECT_EQ(set.labels.names, (std::vector<std::string>{"b", "a"}));
    EXPECT_EQ(set.features[0].label, 1.0);
    EXPECT_EQ(set.features[2].label, 0.0);
}

// MRPC's f1 is that of "equivalent", wherever the model has it.
TEST(ScoreLogits, F1IsOfTheTasksClassInAnyOrderOfTheModels) {
    DataOptions options;
    options.task_name = "mrpc";
    const auto f1 = [&](const std::vector<std::string>& names, const std::vector<double>& expected,
                        const std::vector<float>& logits) {
        const auto metrics =
            score_logits(labelled(expected), {ProblemType::classification, names}, logits, options).metrics;
        return std::ranges::find(metrics, "f1", [](const auto& metric) { return metric.first; })->second;
    };
    const std::vector<float> logits{0, 1, 0, 1, 1, 0}, turned{1, 0, 1, 0, 0, 1};
    EXPECT_NEAR(f1({"not_equivalent", "equivalent"}, {1, 0, 1}, logits), 0.5, 1e-12);
    EXPECT_NEAR(f1({"equivalent", "not_equivalent"}, {0, 1, 0}, turned), 0.5, 1e-12);
    EXPECT_NEAR(f1({"LABEL_0", "LABEL_1"}, {1, 0, 0}, logits), 2.0 / 3, 1e-12);
    EXPECT_NEAR(f1({"not_equivalent", "equivalent"}, {1, 1, 0}, logits), 1.0, 1e-12);
}

TEST(ScoreLogits, NumbersOfATaskAreNotRenumbered) {
    DataOptions options;
    options.task_name = "stsb";
    const auto metrics = score_logits(labelled({1, 5, 3}), kNumber, std::vector<float>{10, 50, 30}, options).metrics;
    EXPECT_EQ(metrics.front().first, "pearson");
    EXPECT_NEAR(metrics.front().second, 1.0, 1e-12);
}

TEST(ScoreLogits, NeedsLabels) {
    const FeatureSet set{"dev.tsv", std::vector<Feature>(1), {}, false, {}};
    EXPECT_ERROR(score_logits(set, kTwo, std::vector<float>{1, 0}, {}), "evaluation needs labels");
}

}  // namespace
}  // namespace moebert
