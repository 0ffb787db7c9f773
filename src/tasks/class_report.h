// How well a classifier does class by class, equal to scikit-learn's figures to the last digit: precision, recall and
// F1 of each class, their averages, and the confusion matrix. 0 stands for 0/0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace moebert {

// The names of averages: precision_macro, precision_weighted, recall_macro, ... f1_weighted. "macro" is the mean over
// the classes that occur among labels or predictions, "weighted" the same weighted by the number of labels.
const std::vector<std::string>& class_average_names();

// Predictions and labels are numbers of classes, as many of each. Throws an Error for another name.
double class_average(const std::string& name, std::span<const double> predictions, std::span<const double> labels);

struct ClassScores {
    std::int64_t hits = 0, predicted = 0, support = 0;  // support: labels of this class

    double precision() const;
    double recall() const;
    double f1() const;
};

struct ClassReport {
    static constexpr std::size_t kMostInMatrix = 500;  // classes: the matrix grows with their square

    std::vector<ClassScores> classes;                  // in the order of their numbers
    std::vector<std::vector<std::int64_t>> confusion;  // rows are labels, columns predictions; none for more classes
};

ClassReport report_classes(std::size_t count, std::span<const double> predictions, std::span<const double> labels);

// {"yes": {"precision": 0.5, "recall": 1.0, "f1": 0.67, "support": 3}, ...}
nlohmann::json to_json(const ClassReport& report, std::span<const std::string> names);

// What results hold of it: "eval_report", and "eval_confusion_matrix" where there is one.
nlohmann::json details_of(const ClassReport& report, std::span<const std::string> names);

// For people: a line a class, the averages, and of few classes the matrix.
std::string to_table(const ClassReport& report, std::span<const std::string> names);

}  // namespace moebert
