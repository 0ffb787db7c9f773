// Predictions as files: JSON lines or tab separated, one row an example.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "tasks/task.h"

namespace moebert {

enum class PredictionFormat { json_lines, tsv };

PredictionFormat parse_prediction_format(const std::string& name);  // "jsonl" or "tsv"; else a UsageError

// What says how sure a prediction is: probabilities, or the model's outputs that they are made of.
enum class ScoreKind { probabilities, logits };

// A data set's examples among others', numbered from 0; a name comes first in each row, the input's own columns come
// last. Those with the name of a prediction's part are left out.
struct PredictionPart {
    std::string name;
    std::size_t examples;
    KeptColumns columns = {};
};

// One row for each example: {"index": 0, "label": "entailment", "probabilities": {"entailment": 0.9, ...}}, or
// {"index": 0, "score": 3.2} for regression; before them {"dataset": "test_matched", ...} in a part that has a name.
// With ScoreKind::logits {"index": 0, "label": "entailment", "logits": [2.1, ...]} in the order of the labels, and for
// regression {"index": 0, "score": 3.2, "logits": [3.2]}. `logits` are examples x labels, row-major; probabilities are
// their softmax. Without parts there is one, without a name. Throws an Error when a logit isn't finite or the sizes
// don't fit.
void write_predictions(std::ostream& out, PredictionFormat format, const Labels& labels, std::span<const float> logits,
                       std::vector<PredictionPart> parts = {}, ScoreKind kind = ScoreKind::probabilities);

// Of one example, in the order of the labels.
std::vector<float> softmax(std::span<const float> logits);

// A tab separated cell can't hold what separates cells and rows: spaces stand for it.
std::string tsv_cell(std::string text);

// The index of the greatest logit of each row (the first on ties), or the value itself for regression: what metrics
// take.
std::vector<double> decide(const Labels& labels, std::span<const float> logits);

}  // namespace moebert
