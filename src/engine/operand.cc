#include "engine/operand.h"

#include <fmt/ranges.h>

#include <cstring>

#include "core/error.h"
#include "engine/kernels.h"
#include "engine/quantization.h"

namespace moebert::engine {

std::size_t operand_size(Precision precision) {
    return precision == Precision::fp32 ? 4 : precision == Precision::bf16 ? 2 : 1;
}

std::string to_string(Precision precision) {
    return precision == Precision::fp32 ? "fp32" : precision == Precision::bf16 ? "bf16" : "int8";
}

Precision parse_precision(const std::string& name) {
    if (name == "auto") return fastest_precision();
    for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8})
        if (name == to_string(precision)) return precision;
    fail_usage("precision: '{}' given; expected auto, fp32, bf16 or int8", name);
}

void check_supported(Precision precision) {
    if (is_supported(precision)) return;
    std::vector<std::string> working;
    for (const auto other : {Precision::fp32, Precision::bf16, Precision::int8})
        if (is_supported(other)) working.push_back(to_string(other));
    fail_usage("precision {}: this processor has no such matrix products; it has those of {}", to_string(precision),
               fmt::join(working, " and "));
}

Precision fastest_precision() { return is_supported(Precision::bf16) ? Precision::bf16 : Precision::fp32; }

void OperandRows::reserve(std::int64_t rows) {
    grow(values_, rows * width_ * static_cast<std::int64_t>(operand_size(precision_)));
    if (precision_ != Precision::int8) return;
    grow(scale_, rows);
    grow(zero_, rows);
}

std::byte* OperandRows::at(std::int64_t row) {
    return values_.data() + static_cast<std::size_t>(row * width_) * operand_size(precision_);
}

Operand OperandRows::from(std::int64_t row) const {
    const auto* values = values_.data() + static_cast<std::size_t>(row * width_) * operand_size(precision_);
    if (precision_ != Precision::int8) return {values, nullptr, nullptr};
    return {values, scale_.data() + row, zero_.data() + row};
}

void OperandRows::set(std::int64_t row, const float* values) {
    if (precision_ == Precision::fp32) {
        std::memcpy(at(row), values, static_cast<std::size_t>(width_) * sizeof(float));
    } else if (precision_ == Precision::bf16) {
        round_to_bf16(values, width_, reinterpret_cast<bf16_bits*>(at(row)));
    } else {
        thread_local Buffer<float> work;
        grow(work, width_);
        const auto [scale, zero] = quantize_row(values, width_, work.data(), reinterpret_cast<std::uint8_t*>(at(row)));
        set_scale(row, scale, zero);
    }
}

void OperandRows::set_scale(std::int64_t row, float scale, std::int32_t zero) {
    scale_[static_cast<std::size_t>(row)] = scale;
    zero_[static_cast<std::size_t>(row)] = zero;
}

void OperandRows::set(std::int64_t first, std::int64_t rows, const float* values) {
    for (std::int64_t i = 0; i < rows; ++i) set(first + i, values + i * width_);
}

void OperandRows::set_layer_norm(std::int64_t row, const float* x, const float* residual, const NormWeights& norm,
                                 float factor, float* out) {
    if (precision_ == Precision::bf16)
        return add_layer_norm(x, residual, norm, factor, out, reinterpret_cast<bf16_bits*>(at(row)));
    add_layer_norm(x, residual, norm, factor, out);
    if (precision_ == Precision::int8) set(row, out);
}

void OperandRows::copy(std::int64_t row, const OperandRows& rows, std::int64_t other) {
    const auto from = rows.from(other);
    std::memcpy(at(row), from.values, static_cast<std::size_t>(width_) * operand_size(precision_));
    if (precision_ != Precision::int8) return;
    set_scale(row, *from.scale, *from.zero);
}

void States::reserve(std::int64_t rows) {
    operand_.reserve(rows);
    if (operand_.precision() != Precision::fp32) grow(values_, rows * operand_.width());
}

float* States::row(std::int64_t row) {
    if (operand_.precision() == Precision::fp32) return static_cast<float*>(operand_.data(row));
    return values_.data() + row * operand_.width();
}

void States::set_layer_norm(std::int64_t row, const float* x, const float* residual, const NormWeights& norm,
                            float factor) {
    operand_.set_layer_norm(row, x, residual, norm, factor, this->row(row));
}

void States::round(std::int64_t first, std::int64_t rows) {
    if (operand_.precision() != Precision::fp32) operand_.set(first, rows, row(first));
}

}  // namespace moebert::engine
