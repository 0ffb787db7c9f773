// How many tokens (gate-sentence in training: sentences) each expert of each layer had.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace moebert {

using ExpertLoad = std::vector<std::vector<std::int64_t>>;  // (L, N); empty for a dense model

// `sum` may be empty.
inline void add_load(ExpertLoad& sum, const ExpertLoad& load) {
    sum.resize(load.size());
    for (std::size_t k = 0; k < load.size(); ++k) {
        sum[k].resize(load[k].size());
        std::ranges::transform(load[k], sum[k], sum[k].begin(), std::plus<>());
    }
}

// Each layer's counts as shares of their sum; zeros where a layer has had nothing.
std::vector<std::vector<double>> load_shares(const ExpertLoad& load);

struct LargestShare {
    std::size_t layer = 0, expert = 0;
    double share = 0.0;
};
// The expert with the largest share of its layer; the first one on ties.
LargestShare largest_share(const ExpertLoad& load);

}  // namespace moebert
