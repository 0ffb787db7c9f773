// What the sources in vector code share. Included once for every instruction set: after <hwy/foreach_target.h>, as
// Highway's own headers of this kind are.
#if defined(MOEBERT_ENGINE_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MOEBERT_ENGINE_VECTORS_INL_H_
#undef MOEBERT_ENGINE_VECTORS_INL_H_
#else
#define MOEBERT_ENGINE_VECTORS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/gelu.h"

HWY_BEFORE_NAMESPACE();
namespace moebert::engine {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vec = hn::Vec<Floats>;
constexpr Floats kF;
constexpr hn::Rebind<std::int32_t, Floats> kI;
constexpr hn::Rebind<std::uint32_t, Floats> kU;

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(kF)); }

// Calls full(i) for every whole vector and tail(i, rest) for what is left.
template <class Full, class Tail>
HWY_INLINE void over(std::int64_t count, Full full, Tail tail) {
    std::int64_t i = 0;
    for (; i + lanes() <= count; i += lanes()) full(i);
    if (i < count) tail(i, static_cast<std::size_t>(count - i));
}

// The first `count` values of a vector; those beyond are zero, and are never touched in memory.
HWY_INLINE Vec load(const float* x, std::size_t count) {
    if (count == hn::Lanes(kF)) return hn::LoadU(kF, x);
    HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)] = {};
    std::copy_n(x, count, values);
    return hn::Load(kF, values);
}

HWY_INLINE void store(Vec v, float* x, std::size_t count) {
    if (count == hn::Lanes(kF)) return hn::StoreU(v, kF, x);
    HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(v, kF, values);
    std::copy_n(values, count, x);
}

// The highest power's coefficient comes first.
template <std::size_t N>
HWY_INLINE Vec polynomial(const float (&coefficients)[N], Vec x) {
    auto y = hn::Set(kF, coefficients[0]);
    for (std::size_t i = 1; i < N; ++i) y = hn::MulAdd(y, x, hn::Set(kF, coefficients[i]));
    return y;
}

// 2^x within a relative 3e-7, and next to nothing from -125 on; not-a-number stays one.
HWY_INLINE Vec power_of_two(Vec x) {
    // Beyond 2^23 floats are whole numbers: the sum rounds x, and its lowest bits are the exponent of 2^round(x).
    const auto shift = hn::Set(kF, static_cast<float>(0xC00000 + 127));
    const auto least = hn::Set(kF, -125.0F), inside = hn::IfThenElse(hn::Lt(x, least), least, x);
    const auto rounded = hn::Add(inside, shift);
    constexpr float coefficients[] = {
        1.5345812079e-4F, 1.3399931363e-3F, 9.6184889581e-3F, 5.5503287766e-2F, 0.24022646891F, 0.69314720574F, 1.0F};
    const auto y = polynomial(coefficients, hn::Sub(inside, hn::Sub(rounded, shift)));
    return hn::Mul(y, hn::BitCast(kF, hn::ShiftLeft<23>(hn::BitCast(kI, rounded))));
}

HWY_INLINE Vec limited(Vec x, float limit) { return hn::Min(hn::Max(x, hn::Set(kF, -limit)), hn::Set(kF, limit)); }

HWY_INLINE Vec gelu(Vec x) {
    const auto inside = limited(x, kGeluLimit), square = hn::Mul(inside, inside);
    const auto numerator = hn::Mul(inside, polynomial(kGeluNumerator, square));
    return hn::Mul(x, hn::Add(hn::Div(numerator, polynomial(kGeluDenominator, square)), hn::Set(kF, 0.5F)));
}

HWY_INLINE Vec coarse_gelu(Vec x) {
    const auto inside = limited(x, kCoarseGeluLimit);
    return hn::Mul(x, hn::MulAdd(polynomial(kCoarseGelu, hn::Mul(inside, inside)), inside, hn::Set(kF, 0.5F)));
}

// What the sum of a product of bytes stands for: scale_r scale_c (sum - zero_r sum_c) + bias_c.
HWY_INLINE Vec dequantized(hn::Vec<decltype(kI)> sum, Vec row_scale, Vec row_zero, Vec column_scale, Vec column_sum,
                           Vec bias) {
    const auto shifted = hn::NegMulAdd(row_zero, column_sum, hn::ConvertTo(kF, sum));
    return hn::MulAdd(shifted, hn::Mul(row_scale, column_scale), bias);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace moebert::engine
HWY_AFTER_NAMESPACE();

#endif
