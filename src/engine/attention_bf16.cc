#include "engine/attention_bf16.h"

#include "core/error.h"
#include "engine/linear.h"

#if defined(__x86_64__) && defined(__GNUC__)

// GCC's own header names values that it leaves undefined on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

// The vector library has no name for these products yet, so this file alone uses the processor's own.
#define MOEBERT_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define MOEBERT_INLINE MOEBERT_TARGET __attribute__((always_inline)) inline

namespace moebert::engine {
namespace {

constexpr std::int64_t kLanes = 16, kRows = 6;
constexpr float kNever = -1e30F;  // a score of tokens that are not there

std::int64_t round_up(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// Pairs of bfloat16 values, side by side: what one product takes from each operand.
using Pair = std::uint32_t;

MOEBERT_INLINE __m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}

// c[r] (16 V values) = sum over the pairs p of a[r][p] b[p], for R rows: a at `lda` pairs a row, b at `ldb`.
template <int R, int V>
MOEBERT_INLINE void product(const Pair* a, std::int64_t lda, const Pair* b, std::int64_t ldb, std::int64_t pairs,
                            float* c, std::int64_t ldc) {
    __m512 sum[R][V];
    for (auto& row : sum)
        for (auto& s : row) s = _mm512_setzero_ps();
    for (std::int64_t p = 0; p < pairs; ++p) {
        __m512i column[V];
        for (int v = 0; v < V; ++v) column[v] = _mm512_loadu_si512(b + p * ldb + v * kLanes);
        for (int r = 0; r < R; ++r) {
            const __m512i value = _mm512_set1_epi32(static_cast<int>(a[r * lda + p]));
            for (int v = 0; v < V; ++v) sum[r][v] = dot(sum[r][v], value, column[v]);
        }
    }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) _mm512_storeu_ps(c + r * ldc + v * kLanes, sum[r][v]);
}

template <int R>
MOEBERT_INLINE void product_rows(const Pair* a, std::int64_t lda, const Pair* b, std::int64_t width, std::int64_t pairs,
                                 float* c, std::int64_t ldc) {
    std::int64_t v = 0;
    for (; v + 4 * kLanes <= width; v += 4 * kLanes) product<R, 4>(a, lda, b + v, width, pairs, c + v, ldc);
    for (; v + 2 * kLanes <= width; v += 2 * kLanes) product<R, 2>(a, lda, b + v, width, pairs, c + v, ldc);
    for (; v < width; v += kLanes) product<R, 1>(a, lda, b + v, width, pairs, c + v, ldc);
}

// 2^x to a relative 8e-5, a twentieth of what bfloat16 rounds off; 0 far below 0.
MOEBERT_INLINE __m512 power_of_two(__m512 x) {
    const __m512 n = _mm512_roundscale_ps(x, 8);
    const __m512 f = _mm512_sub_ps(x, n);
    __m512 y = _mm512_set1_ps(0.05517166475F);
    for (const float c : {0.24261117513F, 0.69326099015F, 0.99992807041F}) y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(c));
    return _mm512_scalef_ps(y, n);
}

// One head: keys as (d / 2, T') pairs along d, values as (T' / 2, d) pairs along the tokens; T' is T rounded up.
struct Head {
    std::int64_t tokens, padded, size;
    Pair *keys, *values;
    float* scores;        // (kRows, T')
    Pair* probabilities;  // (kRows, T' / 2)
    float* outputs;       // (kRows, d)

    Head(float* work, std::int64_t t, std::int64_t d) : tokens(t), padded(round_up(t)), size(d) {
        keys = reinterpret_cast<Pair*>(work);
        values = keys + d / 2 * padded;
        scores = reinterpret_cast<float*>(values + padded / 2 * d);
        probabilities = reinterpret_cast<Pair*>(scores + kRows * padded);
        outputs = reinterpret_cast<float*>(probabilities + kRows * padded / 2);
    }

    MOEBERT_TARGET void take_keys(const bf16_bits* k, std::int64_t stride) const {
        for (std::int64_t t = 0; t < padded; ++t)
            for (std::int64_t p = 0; p < size / 2; ++p) {
                Pair pair = 0;
                if (t < tokens) std::memcpy(&pair, k + t * stride + 2 * p, sizeof pair);
                keys[p * padded + t] = pair;
            }
    }

    MOEBERT_TARGET void take_values(const bf16_bits* v, std::int64_t stride) const {
        const __m256i none = _mm256_setzero_si256();
        for (std::int64_t t = 0; t < padded; t += 2)
            for (std::int64_t i = 0; i < size; i += kLanes) {
                const auto row = [&](std::int64_t at) MOEBERT_TARGET {
                    return at < tokens ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v + at * stride + i))
                                       : none;
                };
                const __m512i even = _mm512_cvtepu16_epi32(row(t)), odd = _mm512_cvtepu16_epi32(row(t + 1));
                const __m512i both = _mm512_or_si512(even, _mm512_slli_epi32(odd, 16));
                _mm512_storeu_si512(values + t / 2 * size + i, both);
            }
    }

    // Row r of the scores becomes probabilities, but for a factor: one by their sum is returned.
    MOEBERT_INLINE float softmax(int r, float scale) const {
        float* row = scores + r * padded;
        std::fill(row + tokens, row + padded, kNever);
        __m512 most = _mm512_loadu_ps(row);
        for (std::int64_t t = kLanes; t < padded; t += kLanes) most = _mm512_max_ps(most, _mm512_loadu_ps(row + t));
        const __m512 scaling = _mm512_set1_ps(scale * 1.44269504F);
        const __m512 greatest = _mm512_mul_ps(_mm512_set1_ps(_mm512_reduce_max_ps(most)), scaling);
        __m512 sum = _mm512_setzero_ps();
        auto* to = reinterpret_cast<bf16_bits*>(probabilities) + r * padded;
        for (std::int64_t t = 0; t < padded; t += kLanes) {
            const __m512 e = power_of_two(_mm512_fmsub_ps(_mm512_loadu_ps(row + t), scaling, greatest));
            sum = _mm512_add_ps(sum, e);
            const __m256bh rounded = _mm512_cvtneps_pbh(e);
            std::memcpy(to + t, &rounded, sizeof rounded);
        }
        return 1.0F / _mm512_reduce_add_ps(sum);
    }

    template <int R>
    MOEBERT_TARGET void rows(const bf16_bits* q, std::int64_t stride, float scale, float* out,
                             std::int64_t out_stride) const {
        // H is even where heads are whole vectors, so that rows begin on pairs.
        product_rows<R>(reinterpret_cast<const Pair*>(q), stride / 2, keys, padded, size / 2, scores, padded);
        float inverse[R];
        for (int r = 0; r < R; ++r) inverse[r] = softmax(r, scale);
        product_rows<R>(probabilities, padded / 2, values, size, padded / 2, outputs, size);
        for (int r = 0; r < R; ++r)
            for (std::int64_t i = 0; i < size; i += kLanes)
                _mm512_storeu_ps(out + r * out_stride + i,
                                 _mm512_mul_ps(_mm512_loadu_ps(outputs + r * size + i), _mm512_set1_ps(inverse[r])));
    }
};

// The last rows, fewer than kRows.
template <int R>
MOEBERT_TARGET void rest(const Head& head, const bf16_bits* q, std::int64_t stride, float scale, std::int64_t count,
                         float* out, std::int64_t out_stride) {
    if (count == R) return head.rows<R>(q, stride, scale, out, out_stride);
    if constexpr (R > 1) rest<R - 1>(head, q, stride, scale, count, out, out_stride);
}

}  // namespace

bool has_bf16_attention(std::int64_t head_size) {
    return is_supported(Precision::bf16) && __builtin_cpu_supports("avx512bf16") && head_size % kLanes == 0;
}

void attention_bf16(const bf16_bits* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size,
                    AttentionPart part, float* work, float* out) {
    const auto width = heads * head_size, stride = 3 * width;
    const Head head(work, tokens, head_size);
    const float scale = 1.0F / std::sqrt(static_cast<float>(head_size));
    for (auto h = part.first_head; h < part.last_head; ++h) {
        const bf16_bits* q = qkv + h * head_size;
        head.take_keys(q + width, stride);
        head.take_values(q + 2 * width, stride);
        float* to = out + h * head_size;
        auto t = part.first_query;
        for (; t + kRows <= part.last_query; t += kRows, to += kRows * width)
            head.rows<kRows>(q + t * stride, stride, scale, to, width);
        rest<kRows - 1>(head, q + t * stride, stride, scale, part.last_query - t, to, width);
    }
}

std::size_t attention_bf16_work(std::int64_t tokens, std::int64_t head_size) {
    const auto t = round_up(tokens);
    return static_cast<std::size_t>(head_size * t + kRows * t + kRows * t / 2 + kRows * head_size);
}

}  // namespace moebert::engine

#else

namespace moebert::engine {

bool has_bf16_attention(std::int64_t) { return false; }

void attention_bf16(const bf16_bits*, std::int64_t, std::int64_t, std::int64_t, AttentionPart, float*, float*) {
    fail("attention in bfloat16: not on this processor");
}

std::size_t attention_bf16_work(std::int64_t, std::int64_t) { return 0; }

}  // namespace moebert::engine

#endif
