// The metrics of the GLUE benchmark, equal to scikit-learn's and SciPy's.
//
// Predictions and labels are class indices (as doubles) or regression values, of equal number; else an Error.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace moebert {

double accuracy(std::span<const double> predictions, std::span<const double> labels);
double f1(std::span<const double> predictions, std::span<const double> labels);  // of class 1; 0 where it is 0/0
double matthews_correlation(std::span<const double> predictions,
                            std::span<const double> labels);                           // any classes; 0 for 0/0
double pearson(std::span<const double> predictions, std::span<const double> labels);   // NaN when either is constant
double spearman(std::span<const double> predictions, std::span<const double> labels);  // ties share their mean rank
double mean_squared_error(std::span<const double> predictions, std::span<const double> labels);

// Name and value, in the order asked for. Names as Hugging Face's GLUE metrics have them: accuracy, f1,
// matthews_correlation, pearson, spearmanr, mse, and combined_score, the mean of those before it; or an average over
// classes (tasks/class_report.h).
using Metrics = std::vector<std::pair<std::string, double>>;

Metrics compute_metrics(const std::vector<std::string>& names, std::span<const double> predictions,
                        std::span<const double> labels);

}  // namespace moebert
