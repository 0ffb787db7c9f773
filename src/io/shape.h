// Sizes that come from a file and may be hostile.
#pragma once

#include <cstdint>
#include <optional>

#include "io/tensor.h"

namespace moebert {

// Bytes of a tensor; nothing when a dimension is negative or the product overflows 63 bits.
std::optional<std::size_t> checked_byte_size(const Shape& shape, DType dtype);

}  // namespace moebert
