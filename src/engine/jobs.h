// `moebert evaluate` and `moebert predict`: any checkpoint, dense or mixture of experts, on the engine.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/world.h"
#include "engine/engine.h"
#include "tasks/feature_set.h"

namespace moebert {

struct InferenceOptions {
    std::string model_name_or_path;
    std::string precision;
    bool bf16 = false;
    std::int64_t num_threads = 0;
    std::int64_t per_device_eval_batch_size = 0;
    Share share = {};  // no option: of the processes that do the job together, all of which get all results
};

template <class Visitor>
void describe(Visitor& visit, InferenceOptions& o) {
    visit("precision", o.precision,
          "of matrix products: fp32 (unless the checkpoint is prepared for another), bf16, int8, or auto (bf16 where "
          "the processor has it)");
    visit("bf16", o.bf16, "the same as --precision bf16");
    visit("num_threads", o.num_threads, "CPU threads, each with sentences of its own; 0: one a core", {"threads"});
    visit("per_device_eval_batch_size", o.per_device_eval_batch_size,
          "most sentences a batch; 0: as many as is fast; results don't depend on it",
          {"eval_batch_size", "batch_size"});
}

struct EvaluationReport {
    nlohmann::json metrics;  // and the speed
    QuestionSet questions;   // these two: of question answering
    std::vector<QuestionAnswer> answers;
    std::string class_table = {};  // for people; of classes that are no known task's
};
EvaluationReport run_evaluate(const InferenceOptions& options, const DataOptions& data, Split split, const Sink& sink);

// Logits for datasets one after the other, (examples, labels), and the meaning of the labels.
struct PredictionResult {
    Labels labels;
    std::vector<float> logits;
};
PredictionResult run_predict(const InferenceOptions& options, const DataOptions& data,
                             const std::vector<Dataset>& datasets, const Sink& sink);

// The answers of a question answering model; none need be known.
std::vector<QuestionAnswer> run_answer(const InferenceOptions& options, const DataOptions& data,
                                       const QuestionSet& questions, const Sink& sink);

}  // namespace moebert
