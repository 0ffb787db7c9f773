// The order in which an epoch takes the training examples.
#pragma once

#include <cstdint>
#include <vector>

namespace moebert {

// A permutation of 0 to count - 1 out of the seed, another for each epoch.
std::vector<std::int64_t> epoch_order(std::size_t count, std::uint64_t seed, std::int64_t epoch);

}  // namespace moebert
