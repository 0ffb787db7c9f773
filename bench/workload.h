// Models and inputs of the benchmarks.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "train/model.h"

namespace moebert::bench {

// Random weights of BERT's usual scale. shape: {"layers", "hidden", "heads", "intermediate"}; `moe`: a hash-routed
// mixture of 4 experts of a quarter of the width, a sixth of the neurons shared.
Checkpoint random_checkpoint(const nlohmann::json& shape, ProblemType problem_type, bool moe);

// What a model of the named text does: question answering for "squad", else classification.
ProblemType problem_type_of(const std::string& name);

// Features of the named text: "sst2", "rte" or "squad" (windows of 384 tokens at most, with spans) out of the shared
// data folder, in mixed order, or "fixed" (8 x 128 random tokens a batch, random labels).
std::vector<Feature> workload(const std::string& name, const std::filesystem::path& data, std::int64_t count);

// Indices of batches: mixed order as it comes, or sentences of similar length together.
using Batches = std::vector<std::vector<std::int64_t>>;
Batches mixed_batches(std::span<const Feature> features, std::int64_t size);
Batches batches_by_length(std::span<const Feature> features, std::int64_t size);

std::int64_t count_tokens(std::span<const Feature> features, const Batches& batches);

}  // namespace moebert::bench
