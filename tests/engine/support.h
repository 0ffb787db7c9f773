// What the engine's tests share.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random.h"

namespace moebert::engine {

// Uniform between -scale and scale.
inline std::vector<float> random_values(std::int64_t count, std::uint64_t seed, double scale = 1.0) {
    RandomEngine engine(seed);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (auto& value : values) value = static_cast<float>(scale * (2.0 * uniform_real(engine) - 1.0));
    return values;
}

}  // namespace moebert::engine
