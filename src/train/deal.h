// How the sentences of a step are shared out among processes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tasks/features.h"

namespace moebert {

// Those of `sentences`, indices into `features`, that process `rank` of `size` gets, in the order given: equally many
// for everyone, or one less, and about equally many tokens.
std::vector<std::int64_t> deal_sentences(std::span<const Feature> features, std::span<const std::int64_t> sentences,
                                         int rank, int size);

std::int64_t count_tokens(std::span<const Feature> features, std::span<const std::int64_t> sentences);

// The different token ids, ascending.
std::vector<std::int64_t> token_ids(std::span<const Feature> features, std::span<const std::int64_t> sentences);

}  // namespace moebert
