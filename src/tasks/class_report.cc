#include "tasks/class_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"

namespace moebert {
namespace {

using Values = std::span<const double>;
using Measure = double (ClassScores::*)() const;

struct NamedMeasure {
    const char* name;
    Measure measure;
};
constexpr std::array<NamedMeasure, 3> measures = {
    {{"precision", &ClassScores::precision}, {"recall", &ClassScores::recall}, {"f1", &ClassScores::f1}}};

double ratio(std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

// In the order in which NumPy adds: blocks of at most 128 by eight sums side by side, halves above.
double numpy_sum(Values values) {
    const auto size = values.size();
    if (size > 128) {
        const auto half = size / 2 - size / 2 % 8;
        return numpy_sum(values.first(half)) + numpy_sum(values.subspan(half));
    }
    double sum = 0.0;
    std::size_t i = 0;
    if (size >= 8) {
        std::array<double, 8> sums{};
        for (; i + 8 <= size; i += 8)
            for (std::size_t j = 0; j < 8; ++j) sums[j] += values[i + j];
        sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }
    for (; i < size; ++i) sum += values[i];
    return sum;
}

double average(std::span<const ClassScores> classes, Measure measure, bool weighted) {
    std::vector<double> values;
    std::int64_t weights = 0;
    for (const auto& scores : classes) {
        if (scores.support + scores.predicted == 0) continue;
        const double value = (scores.*measure)();
        values.push_back(weighted ? value * static_cast<double>(scores.support) : value);
        weights += weighted ? scores.support : 1;
    }
    return numpy_sum(values) / static_cast<double>(weights);
}

std::vector<ClassScores> count_classes(std::size_t count, Values predictions, Values labels) {
    if (predictions.size() != labels.size() || labels.empty())
        fail("class scores need as many predictions as labels and at least one, found {} and {}", predictions.size(),
             labels.size());
    std::vector<ClassScores> classes(count);
    for (std::size_t i = 0; i < labels.size(); ++i) {
        auto& label = classes.at(static_cast<std::size_t>(labels[i]));
        auto& prediction = classes.at(static_cast<std::size_t>(predictions[i]));
        ++label.support;
        ++prediction.predicted;
        label.hits += &label == &prediction;
    }
    return classes;
}

std::size_t count_of(Values predictions, Values labels) {
    double most = 0;
    for (const auto values : {predictions, labels})
        for (const double value : values) most = std::max(most, value);
    return static_cast<std::size_t>(most) + 1;
}

// "yes   0.500   1.000   0.667   3"
std::string table_row(const std::string& name, std::size_t width, const std::array<double, 3>& values,
                      std::int64_t support) {
    return fmt::format("{:<{}} {:>9.4f} {:>9.4f} {:>9.4f} {:>9}\n", name, width, values[0], values[1], values[2],
                       support);
}

std::string matrix_text(const ClassReport& report, std::span<const std::string> names, std::size_t width) {
    constexpr std::size_t kColumn = 9;
    std::string text = fmt::format("\n{:<{}}", "label \\ predicted", width);
    for (const auto& name : names) text += fmt::format(" {:>{}.{}}", name, kColumn, kColumn);
    text += '\n';
    for (std::size_t i = 0; i < names.size(); ++i) {
        text += fmt::format("{:<{}}", names[i], width);
        for (const auto count : report.confusion[i]) text += fmt::format(" {:>{}}", count, kColumn);
        text += '\n';
    }
    return text;
}

}  // namespace

double ClassScores::precision() const { return ratio(hits, predicted); }
double ClassScores::recall() const { return ratio(hits, support); }
double ClassScores::f1() const { return ratio(2 * hits, support + predicted); }

const std::vector<std::string>& class_average_names() {
    static const std::vector<std::string> names = {"precision_macro", "precision_weighted", "recall_macro",
                                                   "recall_weighted", "f1_macro",           "f1_weighted"};
    return names;
}

double class_average(const std::string& name, Values predictions, Values labels) {
    const auto classes = count_classes(count_of(predictions, labels), predictions, labels);
    for (const auto& [measure, of] : measures)
        for (const bool weighted : {false, true})
            if (name == fmt::format("{}_{}", measure, weighted ? "weighted" : "macro"))
                return average(classes, of, weighted);
    fail("unknown average \"{}\"", name);
}

ClassReport report_classes(std::size_t count, Values predictions, Values labels) {
    ClassReport report{count_classes(count, predictions, labels), {}};
    if (count > ClassReport::kMostInMatrix) return report;
    report.confusion.assign(count, std::vector<std::int64_t>(count));
    for (std::size_t i = 0; i < labels.size(); ++i)
        ++report.confusion[static_cast<std::size_t>(labels[i])][static_cast<std::size_t>(predictions[i])];
    return report;
}

nlohmann::json to_json(const ClassReport& report, std::span<const std::string> names) {
    auto json = nlohmann::json::object();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto& scores = report.classes[i];
        json[names[i]] = {{"precision", scores.precision()},
                          {"recall", scores.recall()},
                          {"f1", scores.f1()},
                          {"support", scores.support}};
    }
    return json;
}

nlohmann::json details_of(const ClassReport& report, std::span<const std::string> names) {
    nlohmann::json details{{"eval_report", to_json(report, names)}};
    if (!report.confusion.empty()) details["eval_confusion_matrix"] = report.confusion;
    return details;
}

std::string to_table(const ClassReport& report, std::span<const std::string> names) {
    constexpr std::size_t kMostColumns = 12, kLeastWidth = 17, kMostWidth = 40;
    std::size_t width = kLeastWidth;
    std::vector<std::string> heads;
    for (const auto& name : names) {
        heads.push_back(fmt::format("{:.{}}", name, kMostWidth));
        width = std::max(width, heads.back().size());
    }
    auto text = fmt::format("{:<{}} {:>9} {:>9} {:>9} {:>9}\n", "", width, "precision", "recall", "f1", "support");
    std::int64_t support = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto& scores = report.classes[i];
        text += table_row(heads[i], width, {scores.precision(), scores.recall(), scores.f1()}, scores.support);
        support += scores.support;
    }
    for (const bool weighted : {false, true}) {
        std::array<double, 3> means{};
        for (std::size_t m = 0; m < means.size(); ++m)
            means[m] = average(report.classes, measures[m].measure, weighted);
        text += table_row(weighted ? "weighted average" : "macro average", width, means, support);
    }
    return names.size() > kMostColumns || report.confusion.empty() ? text : text + matrix_text(report, heads, width);
}

}  // namespace moebert
