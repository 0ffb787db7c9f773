// What matrix products read: rows of float32, of bfloat16, or of bytes with a scale and a zero point each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/buffer.h"

namespace moebert::engine {

// Of a product's operands; its sums are float32, or integers without rounding.
enum class Precision {
    fp32,
    bf16,
    int8  // weights with a scale a column, activations with a scale and a zero point a row, found as they come
};

std::string to_string(Precision precision);
Precision parse_precision(const std::string& name);  // throws a UsageError; "auto" is fastest_precision()

std::size_t operand_size(Precision precision);  // bytes of one value

// Whether this processor multiplies matrices in it faster than in float32.
bool is_supported(Precision precision);
void check_supported(Precision precision);  // throws a UsageError when it doesn't
// The fastest one whose results stay near float32's without quantization: bf16 where the processor has it.
Precision fastest_precision();

using bf16_bits = std::uint16_t;

struct NormWeights;

struct Operand {
    const void* values;
    const float* scale;  // int8: a byte q stands for scale (q - zero), row by row
    const std::int32_t* zero;
};

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// A place in a container.
inline std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

class OperandRows {
public:
    OperandRows() = default;
    OperandRows(Precision precision, std::int64_t width) : precision_(precision), width_(width) {}

    void reserve(std::int64_t rows);
    Operand from(std::int64_t row) const;

    // From float32. Rounds to the nearest; int8 takes 254 steps for a row's range, zero included.
    void set(std::int64_t row, const float* values);
    void set(std::int64_t first, std::int64_t rows, const float* values);
    // `out` becomes LayerNorm(x + residual) * factor, see add_layer_norm(), and the row what set() makes of it; in
    // float32 `out` is the row itself.
    void set_layer_norm(std::int64_t row, const float* x, const float* residual, const NormWeights& norm, float factor,
                        float* out);
    // A copy of row `other` of `rows`, which has the same precision and width.
    void copy(std::int64_t row, const OperandRows& rows, std::int64_t other);

    // Where a product that writes this precision itself puts its rows; not for int8.
    void* data(std::int64_t row) { return at(row); }
    Precision precision() const { return precision_; }
    std::int64_t width() const { return width_; }

private:
    std::byte* at(std::int64_t row);
    void set_scale(std::int64_t row, float scale, std::int32_t zero);

    Precision precision_ = Precision::fp32;
    std::int64_t width_ = 0;
    Buffer<std::byte> values_;
    Buffer<float> scale_;
    Buffer<std::int32_t> zero_;
};

// Hidden states: float32, and beside it what products read.
class States {
public:
    States(Precision precision, std::int64_t width) : operand_(precision, width) {}

    void reserve(std::int64_t rows);
    float* row(std::int64_t row);
    // The row becomes LayerNorm(x + residual) * factor; it may be the residual itself.
    void set_layer_norm(std::int64_t row, const float* x, const float* residual, const NormWeights& norm,
                        float factor = 1.0F);
    // To be called when rows' values were written otherwise, unless they came here, rounded, in the first place.
    bf16_bits* bf16_row(std::int64_t row) { return static_cast<bf16_bits*>(operand_.data(row)); }
    void round(std::int64_t first, std::int64_t rows);
    const OperandRows& operand() const { return operand_; }

private:
    OperandRows operand_;  // in float32 the values themselves
    Buffer<float> values_;
};

}  // namespace moebert::engine
