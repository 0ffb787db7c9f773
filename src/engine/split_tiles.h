// Matrix products of float32 on the tile registers of AMX, which multiply bfloat16: a float32 value is the sum of three
// of these, exactly, and of the nine products of two values' parts six matter (Henry, Tang, Heinecke 2019, "Leveraging
// the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations"). What is left out is 2^-26 of a
// product, less than what rounding of its sums in float32 does. Infinite values have no such parts: their results are
// not numbers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace moebert::engine {

// Weights as these products read them: oneDNN's BA16a32b2a.
struct FloatPanels {
    std::int64_t inner, columns;
    const float* packed;  // (columns, inner)
    const float* bias;    // (columns)
};

// y = f(x W^T + b), with gelu for f, or nothing. x: (rows, inner), y: (rows, columns); row-major and without gaps.
// `work` has split_work_bytes(weights, rows), on a 64-byte boundary.
void multiply_split(const FloatPanels& weights, const float* x, std::int64_t rows, bool has_gelu, void* work, float* y);
std::size_t split_work_bytes(const FloatPanels& weights, std::int64_t rows);

}  // namespace moebert::engine
