#include "engine/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "engine/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moebert::engine {
namespace HWY_NAMESPACE {
namespace {

using Halves = hn::Rebind<bf16_bits, Floats>;
constexpr Halves kHalf;

std::int64_t round_up(std::int64_t n) { return (n + lanes() - 1) / lanes() * lanes(); }

// To the nearest, ties to even; not-a-number stays one.
HWY_INLINE hn::Vec<Halves> to_bf16(Vec v) {
    const auto bits = hn::BitCast(kU, v);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(kU, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(kU, 0x7FFF)), odd));
    const auto nan = hn::Or(hn::ShiftRight<16>(bits), hn::Set(kU, 0x40));
    const auto chosen = hn::IfThenElse(hn::RebindMask(kU, hn::IsNaN(v)), nan, rounded);
    return hn::DemoteTo(kHalf, hn::BitCast(kI, chosen));
}

HWY_INLINE void store_bf16(Vec v, bf16_bits* out, std::size_t count) {
    if (count == hn::Lanes(kF)) return hn::StoreU(to_bf16(v), kHalf, out);
    HWY_ALIGN bf16_bits values[HWY_MAX_BYTES / sizeof(float)];
    hn::StoreU(to_bf16(v), kHalf, values);
    std::copy_n(values, count, out);
}

HWY_INLINE void round_row(const float* x, std::int64_t count, bf16_bits* out) {
    over(
        count, [&](std::int64_t i) { store_bf16(hn::LoadU(kF, x + i), out + i, hn::Lanes(kF)); },
        [&](std::int64_t i, std::size_t rest) { store_bf16(load(x + i, rest), out + i, rest); });
}

void RoundToBf16(const float* x, std::int64_t count, bf16_bits* out) { round_row(x, count, out); }

// sum_i f(i), in one order for every width. Four sums, so that none waits for the last addition.
template <class Term>
HWY_INLINE float sum_over(std::int64_t count, Term term) {
    const auto full = hn::Lanes(kF);
    auto a = hn::Zero(kF), b = hn::Zero(kF), c = hn::Zero(kF), d = hn::Zero(kF);
    std::int64_t i = 0;
    for (; i + 4 * lanes() <= count; i += 4 * lanes()) {
        a = hn::Add(a, term(i, full));
        b = hn::Add(b, term(i + lanes(), full));
        c = hn::Add(c, term(i + 2 * lanes(), full));
        d = hn::Add(d, term(i + 3 * lanes(), full));
    }
    for (; i + lanes() <= count; i += lanes()) a = hn::Add(a, term(i, full));
    if (i < count) {
        const auto rest = static_cast<std::size_t>(count - i);
        b = hn::Add(b, hn::IfThenElseZero(hn::FirstN(kF, rest), term(i, rest)));
    }
    return hn::GetLane(hn::SumOfLanes(kF, hn::Add(hn::Add(a, b), hn::Add(c, d))));
}

// part(i, n, values) is called for every vector of the result: n values from i on.
template <class Part>
HWY_INLINE void layer_norm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out,
                           Part part) {
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
        const auto value = hn::Mul(y, scaling);
        store(value, out + i, n);
        part(i, n, value);
    };
    over(
        width, [&](std::int64_t i) { finish(i, hn::Lanes(kF)); }, finish);
}

void AddLayerNorm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out) {
    layer_norm(x, residual, norm, factor, out, [](std::int64_t, std::size_t, Vec) {});
}

void AddLayerNormBf16(const float* x, const float* residual, const NormWeights& norm, float factor, float* out,
                      bf16_bits* rounded) {
    layer_norm(x, residual, norm, factor, out,
               [&](std::int64_t i, std::size_t n, Vec value) { store_bf16(value, rounded + i, n); });
}

void MultiplyVector(std::span<const float> x, std::span<const float> weight, std::span<float> y) {
    for (std::size_t c = 0; c < y.size(); ++c) {
        const float* w = weight.data() + c * x.size();
        y[c] = sum_over(std::ssize(x),
                        [&](std::int64_t i, std::size_t n) { return hn::Mul(load(x.data() + i, n), load(w + i, n)); });
    }
}

void AddTo(float* sum, const float* x, std::int64_t count) {
    const auto add = [&](std::int64_t i, std::size_t n) {
        store(hn::Add(load(sum + i, n), load(x + i, n)), sum + i, n);
    };
    over(
        count, [&](std::int64_t i) { add(i, hn::Lanes(kF)); }, add);
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
    if constexpr (HWY_TARGET <= HWY_AVX3)  // has the registers
        for (; v + 4 * lanes() <= width; v += 4 * lanes()) product<R, 4>(a, lda, b + v, width, inner, c + v, ldc);
    for (; v + 2 * lanes() <= width; v += 2 * lanes()) product<R, 2>(a, lda, b + v, width, inner, c + v, ldc);
    for (; v < width; v += lanes()) product<R, 1>(a, lda, b + v, width, inner, c + v, ldc);
}

// The work space of one head: transposed keys (head_size, T'), values (T, d'), scores (6, T'), outputs (6, d').
struct Head {
    static constexpr std::int64_t kRows = 6;  // queries at a time

    std::int64_t tokens, size, stride, padded_tokens, padded_size;
    float *keys, *values, *scores, *outputs;

    Head(float* work, std::int64_t t, std::int64_t d, std::int64_t h)
        : tokens(t), size(d), stride(3 * h), padded_tokens(round_up(t)), padded_size(round_up(d)) {
        keys = work;
        values = keys + size * padded_tokens;
        scores = values + tokens * padded_size;
        outputs = scores + kRows * padded_tokens;
    }

    // So many tokens' keys, and as many of their values a step, as far as they go.
#if HWY_TARGET == HWY_SCALAR
    static constexpr std::int64_t kTransposed = 1;
    void transpose(const float* k, std::int64_t t) const {
        for (std::int64_t i = 0; i < size; ++i) keys[i * padded_tokens + t] = k[t * stride + i];
    }
#else
    static constexpr std::int64_t kTransposed = 4;
    HWY_INLINE void transpose(const float* k, std::int64_t t) const {
        constexpr hn::FixedTag<float, 4> four;
        for (std::int64_t i = 0; i + kTransposed <= size; i += kTransposed) {
            const float* from = k + t * stride + i;
            const auto a = hn::LoadU(four, from), b = hn::LoadU(four, from + stride),
                       c = hn::LoadU(four, from + 2 * stride), d = hn::LoadU(four, from + 3 * stride);
            const auto low_ac = hn::InterleaveLower(four, a, c), high_ac = hn::InterleaveUpper(four, a, c),
                       low_bd = hn::InterleaveLower(four, b, d), high_bd = hn::InterleaveUpper(four, b, d);
            float* to = keys + i * padded_tokens + t;
            hn::StoreU(hn::InterleaveLower(four, low_ac, low_bd), four, to);
            hn::StoreU(hn::InterleaveUpper(four, low_ac, low_bd), four, to + padded_tokens);
            hn::StoreU(hn::InterleaveLower(four, high_ac, high_bd), four, to + 2 * padded_tokens);
            hn::StoreU(hn::InterleaveUpper(four, high_ac, high_bd), four, to + 3 * padded_tokens);
        }
    }
#endif

    void take(const float* k, const float* v) const {
        const auto whole_tokens = tokens / kTransposed * kTransposed, whole_size = size / kTransposed * kTransposed;
        for (std::int64_t t = 0; t < whole_tokens; t += kTransposed) transpose(k, t);
        for (std::int64_t t = 0; t < tokens; ++t)
            for (auto i = t < whole_tokens ? whole_size : 0; i < size; ++i)
                keys[i * padded_tokens + t] = k[t * stride + i];
        for (std::int64_t i = 0; i < size; ++i)
            std::fill(keys + i * padded_tokens + tokens, keys + (i + 1) * padded_tokens, 0.0F);
        for (std::int64_t t = 0; t < tokens; ++t) {
            std::copy_n(v + t * stride, size, values + t * padded_size);
            std::fill(values + t * padded_size + size, values + (t + 1) * padded_size, 0.0F);
        }
    }

    // The row of scores becomes exp(scale (score - greatest)); returns one by their sum.
    HWY_INLINE float exponentials(float* row, float scale) const {
        float* last = row + padded_tokens - lanes();
        const auto there = hn::FirstN(kF, static_cast<std::size_t>(lanes() + tokens - padded_tokens));
        hn::StoreU(hn::IfThenElse(there, hn::LoadU(kF, last), hn::Set(kF, -INFINITY)), kF, last);
        auto most = hn::LoadU(kF, row);
        for (std::int64_t t = lanes(); t < padded_tokens; t += lanes()) most = hn::Max(most, hn::LoadU(kF, row + t));
        const auto scaling = hn::Set(kF, scale * 1.44269504F);
        const auto greatest = hn::MaxOfLanes(kF, most);
        auto sum = hn::Zero(kF);
        for (std::int64_t t = 0; t < padded_tokens; t += lanes()) {
            const auto e = power_of_two(hn::Mul(hn::Sub(hn::LoadU(kF, row + t), greatest), scaling));
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

    // The last ones, fewer than kRows.
    template <int R>
    void rest(std::int64_t count, const float* q, float scale, float* out, std::int64_t out_stride) const {
        if (count == R) return rows<R>(q, scale, out, out_stride);
        if constexpr (R > 1) rest<R - 1>(count, q, scale, out, out_stride);
    }
};

void Attention(const float* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size, AttentionPart part,
               float* work, float* out) {
    const auto width = heads * head_size, stride = 3 * width;
    const Head head(work, tokens, head_size, width);
    const float scale = 1.0F / std::sqrt(static_cast<float>(head_size));
    for (auto h = part.first_head; h < part.last_head; ++h) {
        const float* q = qkv + h * head_size;
        head.take(q + width, q + 2 * width);
        float* to = out + h * head_size;
        auto t = part.first_query;
        constexpr auto kRows = Head::kRows;
        for (; t + kRows <= part.last_query; t += kRows, to += kRows * width)
            head.rows<kRows>(q + t * stride, scale, to, width);
        head.rest<kRows - 1>(part.last_query - t, q + t * stride, scale, to, width);
    }
}

std::size_t AttentionWork(std::int64_t tokens, std::int64_t head_size) {
    const auto t = round_up(tokens), d = round_up(head_size);
    return static_cast<std::size_t>(head_size * t + tokens * d + Head::kRows * (t + d));
}

const char* Target() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace moebert::engine
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moebert::engine {

HWY_EXPORT(AddLayerNorm);
HWY_EXPORT(AddLayerNormBf16);
HWY_EXPORT(AddTo);
HWY_EXPORT(Attention);
HWY_EXPORT(AttentionWork);
HWY_EXPORT(MultiplyVector);
HWY_EXPORT(RoundToBf16);
HWY_EXPORT(Target);

std::string vector_target() { return HWY_DYNAMIC_DISPATCH(Target)(); }

void add_layer_norm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out) {
    HWY_DYNAMIC_DISPATCH(AddLayerNorm)(x, residual, norm, factor, out);
}

void add_layer_norm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out,
                    bf16_bits* rounded) {
    HWY_DYNAMIC_DISPATCH(AddLayerNormBf16)(x, residual, norm, factor, out, rounded);
}

void multiply_vector(std::span<const float> x, std::span<const float> weight, std::span<float> y) {
    HWY_DYNAMIC_DISPATCH(MultiplyVector)(x, weight, y);
}

void add_to(float* sum, const float* x, std::int64_t count) { HWY_DYNAMIC_DISPATCH(AddTo)(sum, x, count); }

void attention(const float* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size, AttentionPart part,
               float* work, float* out) {
    HWY_DYNAMIC_DISPATCH(Attention)(qkv, tokens, heads, head_size, part, work, out);
}

std::size_t attention_work(std::int64_t tokens, std::int64_t head_size) {
    return HWY_DYNAMIC_DISPATCH(AttentionWork)(tokens, head_size);
}

void round_to_bf16(const float* x, std::int64_t count, bf16_bits* out) {
    HWY_DYNAMIC_DISPATCH(RoundToBf16)(x, count, out);
}

void limit_vectors(const std::string& name) {
    // A set's bit is the lower the better the set.
    const bool is_avx512 = name == "avx512" || name == "avx512_bf16";
    const auto best = is_avx512 ? HWY_AVX3_DL : name == "avx2" ? HWY_AVX2 : name == "sse4" ? HWY_SSE4 : 0;
    if (best == 0 && name != "plain")
        fail_usage("instruction set '{}': expected avx512_bf16, avx512, avx2, sse4 or plain", name);
    hwy::SetSupportedTargetsForTest(0);
    const auto has = hwy::SupportedTargets();
    hwy::SetSupportedTargetsForTest(best == 0 ? HWY_STATIC_TARGET : has & ~(best - 1));
}

}  // namespace moebert::engine
#endif
