// The order in which an epoch takes the training examples.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace moebert {

// A permutation of 0 to count - 1 out of the seed, another for each epoch.
std::vector<std::int64_t> epoch_order(std::size_t count, std::uint64_t seed, std::int64_t epoch);

// The same in groups of at most 50 steps' examples, in each of which the longest come first, as Hugging Face's sampler
// of group_by_length makes them: a step's examples then have about the same length. The longest of all comes first of
// all, so that a lack of memory shows at once. `order` is regrouped in place.
void group_by_length(std::vector<std::int64_t>& order, std::span<const std::int64_t> lengths, std::int64_t step_size);

}  // namespace moebert
