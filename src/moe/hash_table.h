// Hash routing: a fixed table from token id to expert.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "moe/split.h"

namespace moebert {

// V experts drawn uniformly.
std::vector<std::int64_t> random_hash_table(std::int64_t vocab_size, std::int64_t num_experts, std::uint64_t seed);

// Tokens by falling count (equal counts by id), each to the expert with the least load so far, the lowest number on
// ties; tokens that were never seen go to a random expert. counts: (V).
std::vector<std::int64_t> balanced_hash_table(const std::vector<std::int64_t>& counts, std::int64_t num_experts,
                                              std::uint64_t seed);

// The authors' file: a pickled list of V integers. The entries must lie in [0, num_experts), the length be vocab_size.
std::vector<std::int64_t> load_hash_list(const std::filesystem::path& file, std::int64_t vocab_size,
                                         std::int64_t num_experts);
void save_hash_list(const std::filesystem::path& file, const std::vector<std::int64_t>& table);

// One table a layer: different random ones for hash-random, `balanced` for all layers for hash-balance, none for gates.
HashTables make_hash_tables(RouteMethod method, std::int64_t layers, std::int64_t vocab_size, std::int64_t num_experts,
                            std::uint64_t seed, const std::vector<std::int64_t>& balanced);

}  // namespace moebert
