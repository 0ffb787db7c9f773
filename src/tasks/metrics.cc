#include "tasks/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "core/error.h"
#include "tasks/class_report.h"

namespace moebert {
namespace {

using Values = std::span<const double>;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

void check_sizes(Values predictions, Values labels) {
    if (predictions.size() != labels.size() || labels.empty()) {
        fail("metrics need as many predictions as labels and at least one, found {} and {}", predictions.size(),
             labels.size());
    }
}

template <class Condition>
double count(Values predictions, Values labels, Condition condition) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) found += condition(predictions[i], labels[i]);
    return static_cast<double>(found);
}

bool is_constant(Values values) {
    return std::ranges::all_of(values, [&](double value) { return value == values.front(); });
}

double mean(Values values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The values less their mean, over their Euclidean length.
std::vector<double> standardize(Values values) {
    std::vector<double> result(values.begin(), values.end());
    const double centre = mean(values);
    double squares = 0;
    for (double& value : result) {
        value -= centre;
        squares += value * value;
    }
    const double length = std::sqrt(squares);
    for (double& value : result) value /= length;
    return result;
}

// Ranks from 1, equal values sharing the mean of theirs.
std::vector<double> ranks(Values values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    std::vector<double> result(values.size());
    for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
        while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
        const double shared = static_cast<double>(begin + 1 + end) / 2;
        for (std::size_t i = begin; i < end; ++i) result[order[i]] = shared;
    }
    return result;
}

double compute_metric(const std::string& name, Values predictions, Values labels) {
    static const std::map<std::string, double (*)(Values, Values)> known = {
        {"accuracy", accuracy},
        {"f1", f1},
        {"matthews_correlation", matthews_correlation},
        {"pearson", pearson},
        {"spearmanr", spearman},
        {"mse", mean_squared_error}};
    if (name.ends_with("_macro") || name.ends_with("_weighted")) return class_average(name, predictions, labels);
    const auto found = known.find(name);
    if (found == known.end()) fail("unknown metric \"{}\"", name);
    return found->second(predictions, labels);
}

double mean_of(const Metrics& metrics) {
    double sum = 0;
    for (const auto& [name, value] : metrics) sum += value;
    return sum / static_cast<double>(metrics.size());
}

}  // namespace

double accuracy(Values predictions, Values labels) {
    check_sizes(predictions, labels);
    return count(predictions, labels, std::equal_to<>()) / static_cast<double>(labels.size());
}

double f1(Values predictions, Values labels) {
    check_sizes(predictions, labels);
    const double hits = count(predictions, labels, [](double p, double l) { return p == 1 && l == 1; });
    const double misses = count(predictions, labels, [](double p, double l) { return (p == 1) != (l == 1); });
    return hits + misses == 0 ? 0.0 : 2 * hits / (2 * hits + misses);
}

// R_K of Gorodkin (2004), which for two classes is Matthews' coefficient.
double matthews_correlation(Values predictions, Values labels) {
    check_sizes(predictions, labels);
    std::map<double, std::pair<double, double>> counts;  // of each class among predictions and labels
    for (const double prediction : predictions) ++counts[prediction].first;
    for (const double label : labels) ++counts[label].second;
    const auto size = static_cast<double>(labels.size());
    double covariance = count(predictions, labels, std::equal_to<>()) * size;
    double predicted = size * size, actual = size * size;
    for (const auto& [value, in] : counts) {
        covariance -= in.first * in.second;
        predicted -= in.first * in.first;
        actual -= in.second * in.second;
    }
    return predicted * actual == 0 ? 0.0 : covariance / std::sqrt(predicted * actual);
}

double pearson(Values predictions, Values labels) {
    check_sizes(predictions, labels);
    if (is_constant(predictions) || is_constant(labels)) return not_a_number;
    const auto x = standardize(predictions), y = standardize(labels);
    return std::clamp(std::inner_product(x.begin(), x.end(), y.begin(), 0.0), -1.0, 1.0);
}

double spearman(Values predictions, Values labels) {
    check_sizes(predictions, labels);
    const auto has_nan = [](Values values) {
        return std::ranges::any_of(values, [](double v) { return std::isnan(v); });
    };
    if (has_nan(predictions) || has_nan(labels)) return not_a_number;
    return pearson(ranks(predictions), ranks(labels));
}

double mean_squared_error(Values predictions, Values labels) {
    check_sizes(predictions, labels);
    double sum = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) sum += (predictions[i] - labels[i]) * (predictions[i] - labels[i]);
    return sum / static_cast<double>(labels.size());
}

Metrics compute_metrics(const std::vector<std::string>& names, Values predictions, Values labels) {
    Metrics metrics;
    for (const std::string& name : names) {
        const bool combined = name == "combined_score" && !metrics.empty();
        metrics.emplace_back(name, combined ? mean_of(metrics) : compute_metric(name, predictions, labels));
    }
    return metrics;
}

}  // namespace moebert
