#include "tasks/task.h"

#include <gtest/gtest.h>

#include <set>

#include "io/support.h"

namespace moebert::test {
namespace {

using Names = std::vector<std::string>;

TEST(FindTask, KnowsTheNineTasksInAnySpelling) {
    EXPECT_EQ(glue_tasks().size(), 9U);
    for (const TaskInfo& task : glue_tasks()) {
        EXPECT_EQ(find_task(task.name).name, task.name);
        EXPECT_EQ(find_task(task.folder).name, task.name);
    }
    EXPECT_EQ(find_task("STS_b").name, "stsb");
}

TEST(FindTask, AnUnknownNameIsAUsageErrorWithTheNearestOne) {
    EXPECT_THROW(find_task("mnl"), UsageError);
    EXPECT_ERROR(find_task("mnl"), "the nearest is mnli");
    EXPECT_ERROR(find_task("QNLII"), "the nearest is qnli");
    EXPECT_ERROR(find_task(""), "cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli");
}

TEST(GlueTasks, HaveALabelSpellingForEachLabelAndTheirBestMetricAmongTheMetrics) {
    for (const TaskInfo& task : glue_tasks()) {
        const bool regression = task.labels.problem_type == ProblemType::regression;
        EXPECT_EQ(task.label_values.size(), regression ? 0 : task.labels.names.size()) << task.name;
        const std::set<std::string> metrics(task.metrics.begin(), task.metrics.end());
        EXPECT_TRUE(metrics.contains(task.best_metric)) << task.name;
    }
}

// The order of Hugging Face's data sets, on which published checkpoints rely.
TEST(GlueTasks, HaveHuggingFacesLabelOrder) {
    EXPECT_EQ(find_task("mnli").labels.names, Names({"entailment", "neutral", "contradiction"}));
    EXPECT_EQ(find_task("rte").labels.names, Names({"entailment", "not_entailment"}));
    EXPECT_EQ(find_task("qnli").labels.names, Names({"entailment", "not_entailment"}));
    EXPECT_EQ(find_task("wnli").labels.names, Names({"not_entailment", "entailment"}));
    EXPECT_EQ(find_task("cola").labels.names, Names({"unacceptable", "acceptable"}));
    EXPECT_EQ(find_task("mrpc").labels.names, Names({"not_equivalent", "equivalent"}));
}

Dataset two_examples() {
    Dataset dataset;
    dataset.file = "some.tsv";
    dataset.examples = {{"a", {}, 0.0}, {"b", {}, 1.0}};
    dataset.labels = {ProblemType::classification, {"no", "yes"}};
    return dataset;
}

TEST(MatchLabels, RenumbersToTheModelsOrder) {
    Dataset dataset = two_examples();
    match_labels(dataset, {ProblemType::classification, {"yes", "maybe", "no"}});
    EXPECT_EQ(dataset.examples[0].label, 2.0);
    EXPECT_EQ(dataset.examples[1].label, 0.0);
    EXPECT_EQ(dataset.labels.names.size(), 3U);
}

TEST(MatchLabels, KeepsTheOrderForAModelWithPlaceholders) {
    Dataset dataset = two_examples();
    match_labels(dataset, {ProblemType::classification, {"LABEL_0", "LABEL_1"}});
    EXPECT_EQ(dataset.examples[1].label, 1.0);
    ASSERT_EQ(dataset.warnings.size(), 1U);
    EXPECT_EQ(dataset.warnings[0],
              "the labels no, yes are matched by number with the model's LABEL_0, LABEL_1, whose names don't tell");
}

TEST(MatchLabels, TakesNumbersForTheNumbersOfClasses) {
    Dataset dataset = two_examples();
    match_labels(dataset, {ProblemType::classification, {"1", "0"}});
    EXPECT_EQ(dataset.examples[1].label, 0.0);
    EXPECT_EQ(dataset.warnings.size(), 1U);
}

TEST(MatchLabels, TakesNamesInAnyCaseForOne) {
    Dataset dataset = two_examples();
    match_labels(dataset, {ProblemType::classification, {"YES", "NO"}});
    EXPECT_EQ(dataset.examples[1].label, 0.0);
    EXPECT_EQ(dataset.labels.names, Names({"YES", "NO"}));
    EXPECT_TRUE(dataset.warnings.empty());
    EXPECT_ERROR(match_labels(dataset, {ProblemType::classification, {"no", "No"}}), "NO");  // which of them?
}

TEST(MatchLabels, NamesBothListsWhenTheyDontFit) {
    Dataset dataset = two_examples();
    EXPECT_ERROR(match_labels(dataset, {ProblemType::classification, {"no", "perhaps"}}), "no, yes");
    EXPECT_ERROR(match_labels(dataset, {ProblemType::classification, {"no", "perhaps"}}), "no, perhaps");
    EXPECT_ERROR(match_labels(dataset, {ProblemType::classification, {"LABEL_0", "LABEL_1", "LABEL_2"}}), "some.tsv");
    EXPECT_ERROR(match_labels(dataset, {ProblemType::regression, {"score"}}), "classes");
    EXPECT_EQ(dataset.examples[1].label, 1.0);
}

TEST(MatchLabels, AnUnlabelledDatasetTakesTheModelsNames) {
    Dataset dataset;
    dataset.examples = {{"a", {}, {}}};
    match_labels(dataset, {ProblemType::regression, {"score"}});
    EXPECT_EQ(dataset.labels.problem_type, ProblemType::regression);
}

}  // namespace
}  // namespace moebert::test
