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

// Whether a row has a part of this name already.
bool is_own_name(const std::string& name) {
    constexpr const char* kOwn[] = {"dataset", "index", "prediction", "label", "score", "probabilities", "logits"};
    return std::ranges::find(kOwn, name) != std::end(kOwn);
}

void write_json_row(std::ostream& out, const Labels& labels, Logits row, const PredictionPart& part, std::size_t index,
                    ScoreKind kind) {
    out << '{';
    if (!part.name.empty()) out << fmt::format("\"dataset\": {}, ", quote(part.name));
    out << fmt::format("\"index\": {}, ", index);
    const bool logits = kind == ScoreKind::logits;
    if (is_regression(labels))
        out << fmt::format("\"score\": {}{}", row[0], logits ? ", " + logits_text(row) : "");
    else
        out << fmt::format("\"label\": {}, {}", quote(labels.names[best_label(row)]),
                           logits ? logits_text(row) : probabilities_text(labels, row));
    for (std::size_t c = 0; c < part.columns.names.size(); ++c) {
        const auto& value = part.columns.rows[index][c];
        if (!value.empty() && !is_own_name(part.columns.names[c]))
            out << fmt::format(", {}: {}", quote(part.columns.names[c]), value);
    }
    out << "}\n";
}

// In a table the names of classes are columns too.
bool is_free(const std::string& column, const Labels& labels) {
    return !is_own_name(column) &&
           (is_regression(labels) || std::ranges::find(labels.names, column) == labels.names.end());
}

void write_tsv_header(std::ostream& out, const Labels& labels, const PredictionPart& part) {
    out << (!part.name.empty() ? "dataset\tindex\tprediction" : "index\tprediction");
    if (!is_regression(labels)) {
        for (const std::string& name : labels.names) out << '\t' << tsv_cell(name);
    }
    for (const auto& name : part.columns.names)
        if (is_free(name, labels)) out << '\t' << tsv_cell(name);
    out << '\n';
}

void write_tsv_row(std::ostream& out, const Labels& labels, Logits row, const PredictionPart& part, std::size_t index,
                   ScoreKind kind) {
    if (!part.name.empty()) out << tsv_cell(part.name) << '\t';
    if (is_regression(labels)) {
        out << fmt::format("{}\t{}", index, row[0]);
    } else {
        out << fmt::format("{}\t{}", index, tsv_cell(labels.names[best_label(row)]));
        const auto scores = kind == ScoreKind::logits ? std::vector<float>(row.begin(), row.end()) : softmax(row);
        for (const float score : scores) out << fmt::format("\t{}", score);
    }
    for (std::size_t c = 0; c < part.columns.names.size(); ++c) {
        if (!is_free(part.columns.names[c], labels)) continue;
        const auto& value = part.columns.rows[index][c];
        out << '\t' << (value.empty() ? "" : tsv_cell(plain_text(nlohmann::json::parse(value))));
    }
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
    if (tsv) write_tsv_header(out, labels, parts.front());
    for (const auto& part : parts) {
        const auto examples = part.examples;
        if (logits.size() < examples * columns) fail("{} logits are missing", examples * columns - logits.size());
        for (std::size_t i = 0; i < examples; ++i)
            (tsv ? write_tsv_row : write_json_row)(out, labels, logits.subspan(i * columns, columns), part, i, kind);
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
