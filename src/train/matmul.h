// Matrix products by oneDNN, the only file of this room that knows its interface. Faster than libtorch's: no packing of
// weights that are used once, a bias for free, and float32 results of bfloat16 operands.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>

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

    auto operator<=>(const ProductShape&) const = default;
};

// c = a b (+ bias, (columns) float32, in every row, unless null). c is row-major. The operands' precision must be the
// same.
void matmul(const Matrix& a, const Matrix& b, const float* bias, ProductShape shape, void* c, Precision c_precision);

// A second operand that is used many times, copied once into the layout that products read fastest.
class PackedMatrix {
public:
    PackedMatrix(const Matrix& b, std::int64_t inner, std::int64_t columns);

    std::int64_t inner() const { return inner_; }
    std::int64_t columns() const { return columns_; }
    Precision precision() const { return precision_; }

private:
    friend void matmul(const void*, const PackedMatrix&, const float*, std::int64_t, void*, Precision);

    std::int64_t inner_, columns_;
    Precision precision_;
    std::shared_ptr<const void> values_;
};

// The same product of a packed b; a: (rows, inner) of b's precision, not transposed.
void matmul(const void* a, const PackedMatrix& b, const float* bias, std::int64_t rows, void* c, Precision c_precision);

// Whether this processor has bfloat16 products.
bool has_bf16_matmul();

}  // namespace moebert
