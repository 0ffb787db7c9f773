#include "io/shape.h"

namespace moebert {

std::optional<std::size_t> checked_byte_size(const Shape& shape, DType dtype) {
    auto size = static_cast<std::int64_t>(dtype_size(dtype));
    for (const std::int64_t dimension : shape) {
        if (dimension < 0 || __builtin_mul_overflow(size, dimension, &size)) return std::nullopt;
    }
    return static_cast<std::size_t>(size);
}

}  // namespace moebert
