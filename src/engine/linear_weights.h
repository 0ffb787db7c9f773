// The weights of linear layers, packed once for products that read them many times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/operand.h"

namespace moebert::engine {

// A layer's weights in the layout that this processor's products read, and what belongs to their columns. The layout
// is oneDNN's: the same for every process with the same product_target().
struct LinearWeights {
    std::int64_t inner = 0, columns = 0;
    Precision precision = Precision::fp32;
    std::span<const std::byte> packed;  // (columns, inner), on a 64-byte boundary
    std::span<const float> bias;        // (columns)
    std::span<const float> scale;       // (columns); int8 alone
    std::span<const std::int32_t> sum;  // (columns), of a column's bytes; int8 alone
    std::shared_ptr<const void> owner;  // of what the spans show
};

// weight: (columns, inner) row-major, as checkpoints have it; bias: (columns).
// What is packed comes into `arena`, which the result owns too.
LinearWeights pack(std::span<const float> weight, std::span<const float> bias, Precision precision,
                   const std::shared_ptr<std::pmr::memory_resource>& arena = make_arena());
// The weight again, as it was rounded.
std::vector<float> unpack(const LinearWeights& weights);
// Bytes that `packed` has.
std::size_t packed_size(std::int64_t inner, std::int64_t columns, Precision precision);

}  // namespace moebert::engine
