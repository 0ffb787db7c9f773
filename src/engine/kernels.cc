#include "engine/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace moebert::engine {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vec = hn::Vec<Floats>;
constexpr Floats kF;

std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(kF)); }
std::int64_t round_up(std::int64_t n) { return (n + lanes() - 1) / lanes() * lanes(); }

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

// To the nearest, ties to even; not-a-number stays one.
HWY_INLINE void store_bf16(Vec v, bf16_bits* out, std::size_t count) {
    HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(v, kF, values);
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t bits;
        std::memcpy(&bits, values + i, 4);
        if (std::isnan(values[i]))
            out[i] = static_cast<bf16_bits>((bits >> 16) | 0x40U);
        else
            out[i] = static_cast<bf16_bits>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
    }
}

HWY_INLINE void round_row(const float* x, std::int64_t count, bf16_bits* out) {
    over(
        count, [&](std::int64_t i) { store_bf16(hn::LoadU(kF, x + i), out + i, hn::Lanes(kF)); },
        [&](std::int64_t i, std::size_t rest) { store_bf16(load(x + i, rest), out + i, rest); });
}

void RoundToBf16(const float* x, std::int64_t count, bf16_bits* out) { round_row(x, count, out); }

// sum_i f(i), in one order for every width.
template <class Term>
HWY_INLINE float sum_over(std::int64_t count, Term term) {
    auto sum = hn::Zero(kF);
    over(
        count, [&](std::int64_t i) { sum = hn::Add(sum, term(i, hn::Lanes(kF))); },
        [&](std::int64_t i, std::size_t rest) {
            sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(kF, rest), term(i, rest)));
        });
    return hn::GetLane(hn::SumOfLanes(kF, sum));
}

void norm_row(const float* x, const float* residual, const NormWeights& norm, float factor, float* out) {
    const auto width = std::ssize(norm.scale);
    const auto sum = sum_over(width, [&](std::int64_t i, std::size_t n) {
        const auto v = hn::Add(load(x + i, n), load(residual + i, n));
        store(v, out + i, n);
        return v;
    });
    const auto mean = hn::Set(kF, sum / static_cast<float>(width));
    const auto squares = sum_over(width, [&](std::int64_t i, std::size_t n) {
        const auto difference = hn::Sub(load(out + i, n), mean);
        return hn::Mul(difference, difference);
    });
    const float deviation = std::sqrt(squares / static_cast<float>(width) + norm.epsilon);
    const auto inverse = hn::Set(kF, 1.0F / deviation), scaling = hn::Set(kF, factor);
    const auto finish = [&](std::int64_t i, std::size_t n) {
        const auto normal = hn::Mul(hn::Sub(load(out + i, n), mean), inverse);
        const auto y = hn::MulAdd(normal, load(norm.scale.data() + i, n), load(norm.shift.data() + i, n));
        store(hn::Mul(y, scaling), out + i, n);
    };
    over(
        width, [&](std::int64_t i) { finish(i, hn::Lanes(kF)); }, finish);
}

void AddLayerNorm(const float* x, const float* residual, std::int64_t rows, const NormWeights& norm,
                  const Scatter& scatter, float* out, bf16_bits* out_bf16) {
    const auto width = std::ssize(norm.scale);
    for (std::int64_t i = 0; i < rows; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const auto to = width * (scatter.rows.empty() ? i : scatter.rows[at]);
        norm_row(x + i * width, residual + to, norm, scatter.factor.empty() ? 1.0F : scatter.factor[at], out + to);
        if (out_bf16) round_row(out + to, width, out_bf16 + to);
    }
}

// R rows of a (row r at a + r lda, `inner` values) times V vectors of columns of b (row k at b + k ldb).
template <int R, int V>
HWY_INLINE void product(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, std::int64_t inner,
                        float* c, std::int64_t ldc) {
    Vec sum[R][V];
    for (auto& row : sum)
        for (auto& s : row) s = hn::Zero(kF);
    for (std::int64_t k = 0; k < inner; ++k) {
        Vec column[V];
        for (int v = 0; v < V; ++v) column[v] = hn::LoadU(kF, b + k * ldb + v * lanes());
        for (int r = 0; r < R; ++r) {
            const auto value = hn::Set(kF, a[r * lda + k]);
            for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(value, column[v], sum[r][v]);
        }
    }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) hn::StoreU(sum[r][v], kF, c + r * ldc + v * lanes());
}

// c (R, width) = a (R, inner) b (inner, width); width is a multiple of a vector's.
template <int R>
HWY_INLINE void product_rows(const float* a, std::int64_t lda, const float* b, std::int64_t width, std::int64_t inner,
                             float* c, std::int64_t ldc) {
    std::int64_t v = 0;
    for (; v + 2 * lanes() <= width; v += 2 * lanes()) product<R, 2>(a, lda, b + v, width, inner, c + v, ldc);
    for (; v < width; v += lanes()) product<R, 1>(a, lda, b + v, width, inner, c + v, ldc);
}

// The work space of one head: transposed keys (head_size, T'), values (T, d'), scores (6, T'), outputs (6, d').
struct Head {
    std::int64_t tokens, size, stride, padded_tokens, padded_size;
    float *keys, *values, *scores, *outputs;

    Head(float* work, std::int64_t t, std::int64_t d, std::int64_t h)
        : tokens(t), size(d), stride(3 * h), padded_tokens(round_up(t)), padded_size(round_up(d)) {
        keys = work;
        values = keys + size * padded_tokens;
        scores = values + tokens * padded_size;
        outputs = scores + 6 * padded_tokens;
    }

    void take(const float* k, const float* v) const {
        for (std::int64_t t = 0; t < tokens; ++t) {
            for (std::int64_t i = 0; i < size; ++i) keys[i * padded_tokens + t] = k[t * stride + i];
            std::copy_n(v + t * stride, size, values + t * padded_size);
            std::fill(values + t * padded_size + size, values + (t + 1) * padded_size, 0.0F);
        }
        for (std::int64_t i = 0; i < size; ++i)
            std::fill(keys + i * padded_tokens + tokens, keys + (i + 1) * padded_tokens, 0.0F);
    }

    // The row of scores becomes exp(scale (score - greatest)); returns one by their sum.
    HWY_INLINE float exponentials(float* row, float scale) const {
        std::fill(row + tokens, row + padded_tokens, -INFINITY);
        auto most = hn::LoadU(kF, row);
        for (std::int64_t t = lanes(); t < padded_tokens; t += lanes()) most = hn::Max(most, hn::LoadU(kF, row + t));
        const auto greatest = hn::MaxOfLanes(kF, most), scaling = hn::Set(kF, scale);
        auto sum = hn::Zero(kF);
        for (std::int64_t t = 0; t < padded_tokens; t += lanes()) {
            const auto e = hn::Exp(kF, hn::Mul(hn::Sub(hn::LoadU(kF, row + t), greatest), scaling));
            hn::StoreU(e, kF, row + t);
            sum = hn::Add(sum, e);
        }
        return 1.0F / hn::GetLane(hn::SumOfLanes(kF, sum));
    }

    template <int R>
    HWY_INLINE void rows(const float* q, float scale, float* out, std::int64_t out_stride) const {
        product_rows<R>(q, stride, keys, padded_tokens, size, scores, padded_tokens);
        float inverse[R];
        for (int r = 0; r < R; ++r) inverse[r] = exponentials(scores + r * padded_tokens, scale);
        product_rows<R>(scores, padded_tokens, values, padded_size, tokens, outputs, padded_size);
        for (int r = 0; r < R; ++r)
            for (std::int64_t i = 0; i < size; ++i) out[r * out_stride + i] = outputs[r * padded_size + i] * inverse[r];
    }
};

void Attention(const float* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size, bool only_first,
               float* work, float* out) {
    const auto width = heads * head_size, stride = 3 * width;
    const Head head(work, tokens, head_size, width);
    const float scale = 1.0F / std::sqrt(static_cast<float>(head_size));
    for (std::int64_t h = 0; h < heads; ++h) {
        const float* q = qkv + h * head_size;
        head.take(q + width, q + 2 * width);
        const auto wanted = only_first ? 1 : tokens;
        std::int64_t t = 0;
        for (; t + 6 <= wanted; t += 6) head.rows<6>(q + t * stride, scale, out + t * width + h * head_size, width);
        for (; t < wanted; ++t) head.rows<1>(q + t * stride, scale, out + t * width + h * head_size, width);
    }
}

std::size_t AttentionWork(std::int64_t tokens, std::int64_t head_size) {
    const auto t = round_up(tokens), d = round_up(head_size);
    return static_cast<std::size_t>(head_size * t + tokens * d + 6 * t + 6 * d);
}

const char* Target() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace moebert::engine
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moebert::engine {

HWY_EXPORT(AddLayerNorm);
HWY_EXPORT(Attention);
HWY_EXPORT(AttentionWork);
HWY_EXPORT(RoundToBf16);
HWY_EXPORT(Target);

std::string vector_target() { return HWY_DYNAMIC_DISPATCH(Target)(); }

void add_layer_norm(const float* x, const float* residual, std::int64_t rows, const NormWeights& norm,
                    const Scatter& scatter, float* out, bf16_bits* out_bf16) {
    HWY_DYNAMIC_DISPATCH(AddLayerNorm)(x, residual, rows, norm, scatter, out, out_bf16);
}

void attention(const float* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size, bool only_first,
               float* work, float* out) {
    HWY_DYNAMIC_DISPATCH(Attention)(qkv, tokens, heads, head_size, only_first, work, out);
}

std::size_t attention_work(std::int64_t tokens, std::int64_t head_size) {
    return HWY_DYNAMIC_DISPATCH(AttentionWork)(tokens, head_size);
}

void round_to_bf16(const float* x, std::int64_t count, bf16_bits* out) {
    HWY_DYNAMIC_DISPATCH(RoundToBf16)(x, count, out);
}

}  // namespace moebert::engine
#endif
