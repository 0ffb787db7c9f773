// Predictions of a model for whole datasets.
#pragma once

#include <span>
#include <vector>

#include "core/sink.h"
#include "tasks/feature_set.h"
#include "train/model.h"
#include "train/processes.h"

namespace moebert {

struct EvaluationOptions {
    std::int64_t batch_size = 32;
    torch::ScalarType dtype = torch::kFloat32;
    const Processes* processes = nullptr;  // that share the batches out; all get all results
};

struct EvaluationResult {
    std::vector<float> logits;  // (examples, C), or (tokens, 2) for question answering, in the order of the features
    std::int64_t tokens = 0;
    ExpertLoad expert_load;
};

// Batches are formed by length, which changes nothing but the speed: results don't depend on the batch.
EvaluationResult run_model(const Model& model, std::span<const Feature> features, const EvaluationOptions& options,
                           const Sink& sink = {});

}  // namespace moebert
