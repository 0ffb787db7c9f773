#include "tasks/class_report.h"

#include <fstream>

#include "io/support.h"
#include "tasks/metrics.h"

namespace moebert {
namespace {

using Values = std::vector<double>;

// scikit-learn's values (tests/tasks/make_metrics.py), to the last digit.
TEST(ClassReports, EqualScikitLearn) {
    std::ifstream file(MOEBERT_SOURCE_DIR "/tests/tasks/data/metrics.json");
    const auto cases = nlohmann::json::parse(file).at("report");
    ASSERT_EQ(cases.size(), 9U);
    for (const auto& known : cases) {
        const std::size_t count = known["classes"];
        SCOPED_TRACE(count);
        const Values predictions = known["predictions"], labels = known["labels"];
        for (const auto& [name, value] : compute_metrics(class_average_names(), predictions, labels))
            EXPECT_EQ(value, known.at(name).get<double>()) << name;
        const auto report = report_classes(count, predictions, labels);
        for (std::size_t i = 0; i < count; ++i) {
            EXPECT_EQ(report.classes[i].precision(), known["precision"][i].get<double>());
            EXPECT_EQ(report.classes[i].recall(), known["recall"][i].get<double>());
            EXPECT_EQ(report.classes[i].f1(), known["f1"][i].get<double>());
            EXPECT_EQ(report.classes[i].support, known["support"][i].get<std::int64_t>());
        }
        if (known.contains("confusion")) {
            EXPECT_EQ(report.confusion, known["confusion"].get<std::vector<std::vector<std::int64_t>>>());
        }
    }
}

TEST(ClassReports, HaveEveryClassByNameAndAMatrixOfFewClasses) {
    const Values predictions = {0, 1, 1}, labels = {0, 1, 0};
    const std::vector<std::string> names = {"no", "yes", "never"};
    const auto details = details_of(report_classes(3, predictions, labels), names);
    EXPECT_EQ(details["eval_report"]["no"],
              (nlohmann::json{{"precision", 1.0}, {"recall", 0.5}, {"f1", 2.0 / 3}, {"support", 2}}));
    EXPECT_EQ(details["eval_report"]["never"]["f1"], 0.0);
    EXPECT_EQ(details["eval_confusion_matrix"], (nlohmann::json{{1, 1, 0}, {0, 1, 0}, {0, 0, 0}}));
    EXPECT_TRUE(report_classes(ClassReport::kMostInMatrix + 1, predictions, labels).confusion.empty());
}

TEST(ClassReports, AreTablesForPeople) {
    const Values predictions = {0, 1, 1}, labels = {0, 1, 0};
    const auto table = to_table(report_classes(2, predictions, labels), std::vector<std::string>{"no", "yes"});
    EXPECT_EQ(table,
              "                  precision    recall        f1   support\n"
              "no                   1.0000    0.5000    0.6667         2\n"
              "yes                  0.5000    1.0000    0.6667         1\n"
              "macro average        0.7500    0.7500    0.6667         3\n"
              "weighted average     0.8333    0.6667    0.6667         3\n"
              "\n"
              "label \\ predicted        no       yes\n"
              "no                        1         1\n"
              "yes                       0         1\n");
}

TEST(ClassReports, RefuseAnUnknownAverageAndUnequalNumbers) {
    const Values two = {0, 1}, one = {0};
    EXPECT_ERROR(class_average("f2_macro", two, two), "unknown average \"f2_macro\"");
    EXPECT_ERROR(class_average("f1_macro", two, one), "as many predictions as labels");
}

}  // namespace
}  // namespace moebert
