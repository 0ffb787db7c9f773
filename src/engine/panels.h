// Matrix products in vector code, for processors that have neither AVX-512 nor tiles: float32 on all of them, bytes
// with AVX2.
//
// A sum is added up in one order, whatever rows and columns are computed with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/linear_weights.h"

namespace moebert::engine {

// Whether products run this way: decided by the processor, the system and MOEBERT_CPU_ISA.
bool runs_on_panels();
// Whether those of bytes can. They add two products in 16 bits first: the sum of a column's first and second weight, of
// its third and fourth and so on must be kMostOfPair at most, with either sign.
bool has_byte_panels();
constexpr std::int32_t kMostOfPair = 127;  // times 255 it is less than 2^15

// y = f(x W^T + b), with gelu for f, or nothing. x: (rows, inner) of the weights' precision, y: (rows, columns);
// row-major and without gaps. gelu is within 1e-6 of the value; for bytes within 5e-5 and 4e-5 of it. The weights lie
// as oneDNN's BA16a16b (float32) or BA16a16b4a (bytes) have them. `work` has panels_work_bytes(rows).
void multiply_on_panels(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, void* work,
                        float* y);
std::size_t panels_work_bytes(std::int64_t rows);

}  // namespace moebert::engine
