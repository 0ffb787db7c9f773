// Which neurons of a dense feed-forward layer each expert gets (paper, section 3.2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/checkpoint.h"
#include "moe/importance.h"

namespace moebert {

// The order in which neurons are dealt out: by falling score, at random, or by rising score (the paper's ablation).
enum class SplitMethod { importance, random, inverse };

SplitMethod parse_split_method(const std::string& name);
std::string to_string(SplitMethod method);

// N experts of D neurons out of a layer of I, of which the first s of the order are in every expert.
struct SplitShape {
    std::int64_t num_experts;        // N
    std::int64_t expert_size;        // D
    std::int64_t shared_size;        // s
    std::int64_t intermediate_size;  // I
};

// Throws a UsageError unless it is 1 to MoeConfig::kMostExperts.
void check_num_experts(std::int64_t count);

// Throws a UsageError where no expert can be made of this shape: N < 1, D <= 0, s > D, s < 0, D > s + floor((I - s) /
// N).
void check_split(const SplitShape& shape);

// Neurons of each expert, (N, D), out of a layer's order (I neurons): the first s ranks, then s + e, s + e + N, ... up
// to D.
std::vector<std::vector<std::int64_t>> assign_neurons(const std::vector<std::int64_t>& order, const SplitShape& shape);

// The order of every layer, (L, I). `scores` may be null for SplitMethod::random, which needs none.
std::vector<std::vector<std::int64_t>> neuron_orders(SplitMethod method, const Importance* scores, std::int64_t layers,
                                                     std::int64_t intermediate_size, std::uint64_t seed);

// One hash table (V entries, each an expert) a layer; see hash_table.h.
using HashTables = std::vector<std::vector<std::int64_t>>;

// The mixture-of-experts checkpoint of a dense one. Weights are taken from `dense`; b2 and the output LayerNorm are
// copied into every expert; gates are drawn at random (uniform in +-1/sqrt(H)) from `seed`. `tables` is used by hash
// methods only.
Checkpoint split_checkpoint(const Checkpoint& dense, const MoeConfig& moe,
                            const std::vector<std::vector<std::int64_t>>& orders, const HashTables& tables,
                            std::uint64_t seed);

}  // namespace moebert
