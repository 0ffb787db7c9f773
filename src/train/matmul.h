// Matrix products by oneDNN, the only file of this room that knows its interface. Faster than libtorch's: no packing of
// weights that are used once, a bias for free, and float32 results of bfloat16 operands.
#pragma once

#include <cstdint>

namespace moebert {

enum class Precision { f32, bf16 };

// A row-major matrix; `transposed` reads it the other way round.
struct Matrix {
    const void* data;
    Precision precision;
    bool transposed = false;
};

struct ProductShape {
    std::int64_t rows, columns, inner;  // (rows, inner) x (inner, columns)
};

// c = a b (+ bias, (columns) float32, in every row, unless null). c is row-major. The operands' precision must be the
// same.
void matmul(const Matrix& a, const Matrix& b, const float* bias, ProductShape shape, void* c, Precision c_precision);

// Whether this processor has bfloat16 products.
bool has_bf16_matmul();

}  // namespace moebert
