#include "engine/quantization.h"

#include <algorithm>
#include <cmath>

#include "engine/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/quantization.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moebert::engine {
namespace HWY_NAMESPACE {
namespace {

constexpr hn::Rebind<std::uint8_t, Floats> kByte;

// The least and greatest of a row's values and zero, lane by lane.
struct Range {
    Vec least, most;

    HWY_INLINE void add(Vec v) {
        least = hn::Min(least, v);
        most = hn::Max(most, v);
    }
};

// 254 steps span the row's values and zero, and zero itself is one: rounding it up leaves all within 0 to 255. Bytes
// have no not-a-number, nor do least and greatest values keep it: `sum`, of values that would be one, makes the scale
// one.
HWY_INLINE RowScale quantize(const float* x, std::int64_t count, const Range& range, Vec sum, std::uint8_t* out) {
    constexpr float kNone = 1e-30F;  // a row of less becomes zeros
    const float low = hn::GetLane(hn::MinOfLanes(kF, range.least));
    const float high = hn::GetLane(hn::MaxOfLanes(kF, range.most));
    const float scale = high - low > kNone ? (high - low) / 254.0F : 1.0F;
    const float inverse = 1.0F / scale;
    const auto zero = static_cast<std::int32_t>(std::lrint(std::ceil(-low * inverse)));
    // Beyond 2^23 floats are whole numbers: the sum is rounded, and its lowest byte is the result.
    const auto factor = hn::Set(kF, inverse), offset = hn::Set(kF, static_cast<float>(0xC00000 + zero));
    const auto convert = [&](std::int64_t i, std::size_t n) {
        const auto bytes = hn::TruncateTo(kByte, hn::BitCast(kU, hn::MulAdd(load(x + i, n), factor, offset)));
        if (n == hn::Lanes(kF)) return hn::StoreU(bytes, kByte, out + i);
        HWY_ALIGN std::uint8_t values[HWY_MAX_BYTES / sizeof(float)];
        hn::StoreU(bytes, kByte, values);
        std::copy_n(values, n, out + i);
    };
    over(
        count, [&](std::int64_t i) { convert(i, hn::Lanes(kF)); }, convert);
    return {scale + 0.0F * hn::GetLane(hn::SumOfLanes(kF, sum)), zero};
}

// Hadamard's matrix of order 4, times as many vectors, `apart` values between one and the next.
struct Four {
    Vec a, b, c, d;
};

HWY_INLINE Four mix(const float* x, std::int64_t apart) {
    const auto a = hn::LoadU(kF, x), b = hn::LoadU(kF, x + apart);
    const auto c = hn::LoadU(kF, x + 2 * apart), d = hn::LoadU(kF, x + 3 * apart);
    const auto s = hn::Add(a, b), t = hn::Sub(a, b), u = hn::Add(c, d), v = hn::Sub(c, d);
    return {hn::Add(s, u), hn::Add(t, v), hn::Sub(s, u), hn::Sub(t, v)};
}

HWY_INLINE void store(const Four& four, float* x, std::int64_t apart) {
    hn::StoreU(four.a, kF, x);
    hn::StoreU(four.b, kF, x + apart);
    hn::StoreU(four.c, kF, x + 2 * apart);
    hn::StoreU(four.d, kF, x + 3 * apart);
}

// R is mix_blocks() after mix_quarters(); a vector's values all have the same partners, at any width of vectors.
bool is_rotated(std::int64_t count) { return count % kRotated == 0; }

// Values a quarter of the row apart, with each other.
HWY_INLINE void mix_quarters(const float* x, std::int64_t count, float* out) {
    const auto apart = count / 4;
    for (std::int64_t i = 0; i < apart; i += lanes()) store(mix(x + i, apart), out + i, apart);
}

// Values a quarter of kRotated apart, with each other. part(four) is called for all of the result.
template <class Part>
HWY_INLINE void mix_blocks(const float* x, std::int64_t count, float* out, Part part) {
    constexpr auto kApart = kRotated / 4;
    for (std::int64_t block = 0; block < count; block += kRotated)
        for (auto i = block; i < block + kApart; i += lanes()) {
            const auto four = mix(x + i, kApart);
            store(four, out + i, kApart);
            part(four);
        }
}

RowScale QuantizeRow(const float* x, std::int64_t count, float* work, std::uint8_t* out) {
    Range range{hn::Zero(kF), hn::Zero(kF)};
    auto sum = hn::Zero(kF);
    if (is_rotated(count)) {
        auto other = range;  // so that neither waits for the other
        mix_quarters(x, count, work);
        mix_blocks(work, count, work, [&](const Four& four) {
            range.add(four.a);
            other.add(four.b);
            range.add(four.c);
            other.add(four.d);
            sum = hn::Add(sum, four.a);  // into which all four went
        });
        range.add(other.least);
        range.add(other.most);
        return quantize(work, count, range, sum, out);
    }
    const auto add = [&](std::int64_t i, std::size_t n) {
        range.add(load(x + i, n));
        sum = hn::Add(sum, load(x + i, n));
    };
    over(
        count, [&](std::int64_t i) { add(i, hn::Lanes(kF)); }, add);
    return quantize(x, count, range, sum, out);
}

void RotateColumn(const float* w, std::int64_t count, float* out) {
    if (!is_rotated(count)) return void(std::copy_n(w, w == out ? 0 : count, out));
    mix_quarters(w, count, out);
    mix_blocks(out, count, out, [](const Four&) {});
    for (std::int64_t i = 0; i < count; ++i) out[i] *= 1.0F / 16.0F;
}

void RotateColumnBack(const float* w, std::int64_t count, float* out) {
    if (!is_rotated(count)) return void(std::copy_n(w, w == out ? 0 : count, out));
    mix_blocks(w, count, out, [](const Four&) {});
    mix_quarters(out, count, out);
}

template <bool kGelu>
HWY_INLINE void dequantize_rows(const Operand& x, std::int64_t rows, const ColumnScales& c, void* sums) {
    const auto columns = std::ssize(c.scale);
    for (std::int64_t r = 0; r < rows; ++r) {
        auto* from = static_cast<std::int32_t*>(sums) + r * columns;
        auto* to = static_cast<float*>(sums) + r * columns;
        const auto scale = hn::Set(kF, x.scale[r]), zero = hn::Set(kF, static_cast<float>(x.zero[r]));
        const auto value = [&](hn::Vec<decltype(kI)> sum, hn::Vec<decltype(kI)> of_column, Vec of_scale, Vec bias) {
            const auto y = dequantized(sum, scale, zero, of_scale, hn::ConvertTo(kF, of_column), bias);
            if constexpr (kGelu) return coarse_gelu(y);
            return y;
        };
        std::int64_t i = 0;
        for (; i + lanes() <= columns; i += lanes())
            hn::StoreU(value(hn::LoadU(kI, from + i), hn::LoadU(kI, c.sum.data() + i),
                             hn::LoadU(kF, c.scale.data() + i), hn::LoadU(kF, c.bias.data() + i)),
                       kF, to + i);
        for (; i < columns; ++i) {
            const auto at = static_cast<std::size_t>(i);
            const auto y =
                value(hn::Set(kI, from[i]), hn::Set(kI, c.sum[at]), hn::Set(kF, c.scale[at]), hn::Set(kF, c.bias[at]));
            to[i] = hn::GetLane(y);
        }
    }
}

void Dequantize(const Operand& x, std::int64_t rows, const ColumnScales& c, void* sums) {
    dequantize_rows<false>(x, rows, c, sums);
}

void DequantizeGelu(const Operand& x, std::int64_t rows, const ColumnScales& c, void* sums) {
    dequantize_rows<true>(x, rows, c, sums);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace moebert::engine
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moebert::engine {

HWY_EXPORT(Dequantize);
HWY_EXPORT(DequantizeGelu);
HWY_EXPORT(QuantizeRow);
HWY_EXPORT(RotateColumn);
HWY_EXPORT(RotateColumnBack);

RowScale quantize_row(const float* x, std::int64_t count, float* work, std::uint8_t* out) {
    return HWY_DYNAMIC_DISPATCH(QuantizeRow)(x, count, work, out);
}

void rotate_column(const float* w, std::int64_t count, float* out) {
    HWY_DYNAMIC_DISPATCH(RotateColumn)(w, count, out);
}

void rotate_column_back(const float* w, std::int64_t count, float* out) {
    HWY_DYNAMIC_DISPATCH(RotateColumnBack)(w, count, out);
}

void dequantize(const Operand& x, std::int64_t rows, const ColumnScales& columns, void* sums) {
    HWY_DYNAMIC_DISPATCH(Dequantize)(x, rows, columns, sums);
}

void dequantize_gelu(const Operand& x, std::int64_t rows, const ColumnScales& columns, void* sums) {
    HWY_DYNAMIC_DISPATCH(DequantizeGelu)(x, rows, columns, sums);
}

}  // namespace moebert::engine
#endif
