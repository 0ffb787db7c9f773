// How often each token occurs in a set of inputs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tasks/features.h"

namespace moebert {

// (V); special tokens are counted as they stand in the inputs.
std::vector<std::int64_t> count_tokens(std::span<const Feature> features, std::int64_t vocab_size);

}  // namespace moebert
