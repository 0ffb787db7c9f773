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

}  // namespace moebert
