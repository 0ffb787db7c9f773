// Matrix products on the tile registers of AMX, for bfloat16 and bytes.
//
// A tile has 16 rows of 64 bytes. A row's sums are added in one order, whatever rows and columns are computed with it.
#pragma once

#include <cstdint>

#include "engine/linear_weights.h"

namespace moebert::engine {

// Whether products run on tiles: decided by the processor, the system and MOEBERT_CPU_ISA.
bool runs_on_tiles();

// y = f(x W^T + b), with gelu for f, or nothing. x: (rows, inner) of the weights' precision, y: (rows, columns);
// row-major and without gaps. gelu is within 5e-5 and 4e-5 of the value. The weights lie as oneDNN's BA16a64b2a
// (bfloat16) or BA16a64b4a (bytes) have them.
void multiply_on_tiles(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, float* y);
void multiply_on_tiles(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, bf16_bits* y);

}  // namespace moebert::engine
