#include "tasks/predictions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "core/error.h"
#include "core/json_text.h"

namespace moebert {
namespace {

using Logits = std::span<const float>;

bool is_regression(const Labels& labels) { return labels.problem_type == ProblemType::regression; }

std::size_t columns_of(const Labels& labels) { return is_regression(labels) ? 1 : labels.names.size(); }

void check(const Labels& labels, Logits logits) {
    const std::size_t columns = columns_of(labels);
    if (columns == 0 || logits.size() % columns != 0) {
        fail("{} logits don't make rows of {} labels", logits.size(), columns);
    }
    const auto broken = std::ranges::find_if_not(logits, [](float value) { return std::isfinite(value); });
    if (broken != logits.end()) {
        fail("the logit of example {} is {}, expected a finite number",
             (broken - logits.begin()) / static_cast<std::ptrdiff_t>(columns), *broken);
    }
}

std::size_t best_label(Logits row) { return static_cast<std::size_t>(std::ranges::max_element(row) - row.begin()); }

std::string quote(const std::string& text) { return json_text(nlohmann::json(text)); }

// "probabilities": {"no": 0.25, ...}
std::string probabilities_text(const Labels& labels, Logits row) {
    std::string text = "\"probabilities\": {";
    const auto probabilities = softmax(row);
    for (std::size_t i = 0; i < row.size(); ++i)
        text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", quote(labels.names[i]), probabilities[i]);
    return text + "}";
}

std::string logits_text(Logits row) { return fmt::format("\"logits\": [{}]", fmt::join(row, ", ")); }

void write_json_row(std::ostream& out, const Labels& labels, Logits row, const std::string& part, std::size_t index,
                    ScoreKind kind) {
    out << '{';
    if (!part.empty()) out << fmt::format("\"dataset\": {}, ", quote(part));
    out << fmt::format("\"index\": {}, ", index);
    const bool logits = kind == ScoreKind::logits;
    if (is_regression(labels))
        out << fmt::format("\"score\": {}{}", row[0], logits ? ", " + logits_text(row) : "");
    else
        out << fmt::format("\"label\": {}, {}", quote(labels.names[best_label(row)]),
                           logits ? logits_text(row) : probabilities_text(labels, row));
    out << "}\n";
}

void write_tsv_header(std::ostream& out, const Labels& labels, bool has_parts) {
    out << (has_parts ? "dataset\tindex\tprediction" : "index\tprediction");
    if (!is_regression(labels)) {
        for (const std::string& name : labels.names) out << '\t' << tsv_cell(name);
    }
    out << '\n';
}

void write_tsv_row(std::ostream& out, const Labels& labels, Logits row, const std::string& part, std::size_t index,
                   ScoreKind kind) {
    if (!part.empty()) out << tsv_cell(part) << '\t';
    if (is_regression(labels)) {
        out << fmt::format("{}\t{}\n", index, row[0]);
        return;
    }
    out << fmt::format("{}\t{}", index, tsv_cell(labels.names[best_label(row)]));
    const auto scores = kind == ScoreKind::logits ? std::vector<float>(row.begin(), row.end()) : softmax(row);
    for (const float score : scores) out << fmt::format("\t{}", score);
    out << '\n';
}

}  // namespace

std::vector<float> softmax(std::span<const float> row) {
    const double greatest = *std::ranges::max_element(row);
    double sum = 0;
    for (const float logit : row) sum += std::exp(logit - greatest);
    std::vector<float> probabilities;
    for (const float logit : row) probabilities.push_back(static_cast<float>(std::exp(logit - greatest) / sum));
    return probabilities;
}

PredictionFormat parse_prediction_format(const std::string& name) {
    if (name == "jsonl") return PredictionFormat::json_lines;
    if (name == "tsv") return PredictionFormat::tsv;
    fail_usage("unknown prediction format \"{}\", expected jsonl or tsv", name);
}

std::string tsv_cell(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    return text;
}

void write_predictions(std::ostream& out, PredictionFormat format, const Labels& labels, Logits logits,
                       std::vector<PredictionPart> parts, ScoreKind kind) {
    check(labels, logits);
    const std::size_t columns = columns_of(labels);
    if (parts.empty()) parts.push_back({"", logits.size() / columns});
    const bool tsv = format == PredictionFormat::tsv;
    if (tsv) write_tsv_header(out, labels, !parts.front().name.empty());
    for (const auto& [name, examples] : parts) {
        if (logits.size() < examples * columns) fail("{} logits are missing", examples * columns - logits.size());
        for (std::size_t i = 0; i < examples; ++i)
            (tsv ? write_tsv_row : write_json_row)(out, labels, logits.subspan(i * columns, columns), name, i, kind);
        logits = logits.subspan(examples * columns);
    }
    if (!out) fail("the predictions can't be written");
}

std::vector<double> decide(const Labels& labels, Logits logits) {
    check(labels, logits);
    const std::size_t columns = columns_of(labels);
    std::vector<double> decisions;
    for (std::size_t at = 0; at < logits.size(); at += columns) {
        decisions.push_back(is_regression(labels) ? logits[at]
                                                  : static_cast<double>(best_label(logits.subspan(at, columns))));
    }
    return decisions;
}

}  // namespace moebert
