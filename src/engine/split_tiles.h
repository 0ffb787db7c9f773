// Matrix products of float32 on the tile registers of AMX, which multiply bfloat16: a float32 value is the sum of three
// of these, exactly, and of the nine products of two values' parts six matter (Henry, Tang, Heinecke 2019, "Leveraging
// the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations"). What is left out is 2^-26 of a
// product, less than what rounding of its sums in float32 does.
#pragma once

#include <cstdint>

#include "engine/linear_weights.h"

namespace moebert::engine {

// Memory that multiply_split() needs, on a 64-byte boundary.
std::size_t split_work_bytes(const LinearWeights& weights, std::int64_t rows);

// y = f(x W^T + b), with gelu for f, or nothing. x: (rows, inner), y: (rows, columns), float32, row-major and without
// gaps. The weights lie as oneDNN's BA16a64b2a has the split ones.
void multiply_split(const LinearWeights& weights, const float* x, std::int64_t rows, bool has_gelu, void* work,
                    float* y);

}  // namespace moebert::engine
