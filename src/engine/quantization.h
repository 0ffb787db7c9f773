// int8: rows and weights' columns as bytes, in vector code chosen at run time for the processor. One thread; row-major.
//
// A product of bytes is that of R x and R w / 16 in place of x and w. R adds and subtracts values sixteen at a time, so
// that a large one among small ones becomes several of middling size, and a row's steps are finer; R^T R = 16, so that
// the product is the same but for rounding. (Such rotations: QuaRot, arXiv 2404.00456.) Where the number of values is
// no multiple of kRotated, R stands for 1 and 16 for 1 too.
#pragma once

#include <cstdint>
#include <span>

#include "engine/operand.h"

namespace moebert::engine {

constexpr std::int64_t kRotated = 64;

// A row as bytes: q = round((R x) / scale + zero), in 0..255; the range of R x and zero takes 254 steps.
struct RowScale {
    float scale;
    std::int32_t zero;
};

// `work`: place for `count` values.
RowScale quantize_row(const float* x, std::int64_t count, float* work, std::uint8_t* out);

void rotate_column(const float* w, std::int64_t count, float* out);       // R w / 16; out may be w
void rotate_column_back(const float* w, std::int64_t count, float* out);  // R^T w; out may be w

// Beside the bytes of an int8 layer's weights.
struct ColumnScales {
    std::span<const float> scale;       // (columns)
    std::span<const std::int32_t> sum;  // (columns), of the column's bytes
    std::span<const float> bias;        // (columns)
};

// In place, from the integer sums of a product, (rows, columns), to what they stand for, float32:
// y = scale_r scale_c (sum - zero_r sum_c) + bias_c.
void dequantize(const Operand& x, std::int64_t rows, const ColumnScales& columns, void* sums);
// The same, and then gelu, within 5e-5 and 4e-5 of the value, far less than bytes can tell apart.
void dequantize_gelu(const Operand& x, std::int64_t rows, const ColumnScales& columns, void* sums);

}  // namespace moebert::engine
