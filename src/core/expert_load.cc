#include "core/expert_load.h"

#include <numeric>

namespace moebert {

std::vector<std::vector<double>> load_shares(const ExpertLoad& load) {
    std::vector<std::vector<double>> shares;
    for (const auto& layer : load) {
        const auto total = static_cast<double>(
            std::max(std::int64_t{1}, std::accumulate(layer.begin(), layer.end(), std::int64_t{0})));
        auto& of_layer = shares.emplace_back();
        for (const auto count : layer) of_layer.push_back(static_cast<double>(count) / total);
    }
    return shares;
}

LargestShare largest_share(const ExpertLoad& load) {
    LargestShare largest;
    const auto shares = load_shares(load);
    for (std::size_t k = 0; k < shares.size(); ++k)
        for (std::size_t e = 0; e < shares[k].size(); ++e)
            if (shares[k][e] > largest.share) largest = {k, e, shares[k][e]};
    return largest;
}

}  // namespace moebert
