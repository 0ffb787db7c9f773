#include "engine/attention_bf16.h"

#include "core/error.h"
#include "engine/linear.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cmath>
#include <cstring>
#include <type_traits>

#include "engine/tile_registers.h"
#include "engine/tiles.h"

// The vector library has no name for these products yet, so this file alone uses the processor's own.
#define MOEBERT_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define MOEBERT_INLINE MOEBERT_TARGET __attribute__((always_inline)) inline

namespace moebert::engine {
namespace {

constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kRows = 6;                  // queries at a time
constexpr std::int64_t kMostRows = tiles::kBlock;  // the same on tiles
constexpr std::int64_t kTokens = tiles::kBlock;    // their number is rounded up to a multiple

std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

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

// 2^x to a relative 8e-5, a twentieth of what bfloat16 rounds off; 0 far below 0. Scaling rounds x down by itself.
MOEBERT_INLINE __m512 power_of_two(__m512 x) {
    const __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
    __m512 y = _mm512_set1_ps(0.078024523066F);
    for (const float c : {0.22606716779F, 0.69583352886F, 0.99992522047F}) y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(c));
    return _mm512_scalef_ps(y, x);
}

// Row i's value k becomes row k's value i.
MOEBERT_INLINE void transpose(__m512i (&rows)[kLanes]) {
    __m512i other[kLanes];
    for (int i = 0; i < 16; i += 2) {
        other[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        other[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; ++j) {
            rows[i + 2 * j] = _mm512_unpacklo_epi64(other[i + j], other[i + j + 2]);
            rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(other[i + j], other[i + j + 2]);
        }
    // Now each has a column's values of four rows, and those 4, 8 and 12 columns on.
    for (int i = 0; i < 4; ++i)
        for (int half = 0; half < 16; half += 8) {
            other[half + i] = _mm512_shuffle_i32x4(rows[half + i], rows[half + i + 4], 0x88);
            other[half + i + 4] = _mm512_shuffle_i32x4(rows[half + i], rows[half + i + 4], 0xdd);
        }
    for (int i = 0; i < 8; ++i) {
        rows[i] = _mm512_shuffle_i32x4(other[i], other[i + 8], 0x88);
        rows[i + 8] = _mm512_shuffle_i32x4(other[i], other[i + 8], 0xdd);
    }
}

struct Add {
    static MOEBERT_INLINE __m512 of(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
};
struct Max {
    static MOEBERT_INLINE __m512 of(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
};

// Value r becomes what Two makes of row r's values.
template <class Two>
MOEBERT_INLINE __m512 fold(__m512 (&rows)[kLanes]) {
    for (int i = 0; i < 8; ++i)
        rows[i] =
            Two::of(_mm512_shuffle_f32x4(rows[i], rows[i + 8], 0x44), _mm512_shuffle_f32x4(rows[i], rows[i + 8], 0xee));
    for (int i = 0; i < 4; ++i)
        rows[i] =
            Two::of(_mm512_shuffle_f32x4(rows[i], rows[i + 4], 0x88), _mm512_shuffle_f32x4(rows[i], rows[i + 4], 0xdd));
    for (int i = 0; i < 2; ++i)
        rows[i] = Two::of(_mm512_shuffle_ps(rows[i], rows[i + 2], 0x44), _mm512_shuffle_ps(rows[i], rows[i + 2], 0xee));
    const __m512 values = Two::of(_mm512_shuffle_ps(rows[0], rows[1], 0x88), _mm512_shuffle_ps(rows[0], rows[1], 0xdd));
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15), values);
}

MOEBERT_INLINE void store_bf16(__m512 values, bf16_bits* to) {
    const __m256bh rounded = _mm512_cvtneps_pbh(values);
    std::memcpy(to, &rounded, sizeof rounded);
}

// One head: keys as (d / 2, T') pairs along d, values as (T' / 2, d) pairs along the tokens; T' is T rounded up.
struct Head {
    std::int64_t tokens, padded, size;
    Pair *keys, *values;
    float* scores;        // (kMostRows, T')
    Pair* probabilities;  // (kMostRows, T' / 2)
    float* outputs;       // (kMostRows, d)

    Head(float* work, std::int64_t t, std::int64_t d) : tokens(t), padded(round_up(t, kTokens)), size(d) {
        keys = reinterpret_cast<Pair*>(work);
        values = keys + d / 2 * padded;
        scores = reinterpret_cast<float*>(values + padded / 2 * d);
        probabilities = reinterpret_cast<Pair*>(scores + kMostRows * padded);
        outputs = reinterpret_cast<float*>(probabilities + kMostRows * padded / 2);
    }

    // Blocks of 16 tokens by 16 pairs.
    MOEBERT_TARGET void take_keys(const bf16_bits* k, std::int64_t stride) const {
        for (std::int64_t t = 0; t < padded; t += kLanes)
            for (std::int64_t p = 0; p < size / 2; p += kLanes) {
                const auto pairs = std::min(kLanes, size / 2 - p);
                const auto mask = static_cast<__mmask16>((1U << pairs) - 1U);
                __m512i rows[kLanes];
                for (std::int64_t i = 0; i < kLanes; ++i)
                    rows[i] = t + i < tokens ? _mm512_maskz_loadu_epi32(mask, k + (t + i) * stride + 2 * p)
                                             : _mm512_setzero_si512();
                transpose(rows);
                for (std::int64_t i = 0; i < pairs; ++i) _mm512_storeu_si512(keys + (p + i) * padded + t, rows[i]);
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

    // Rows of scores from `first` on, at most kLanes, become probabilities, but for a factor each. Reductions over a
    // row's values are made for all rows at once.
    MOEBERT_INLINE void softmax(std::int64_t first, std::int64_t count, float scale, float* factors) const {
        const auto whole = tokens / kLanes * kLanes;
        const auto rest = static_cast<__mmask16>((1U << (tokens - whole)) - 1U);
        __m512 of_row[kLanes];
        for (auto& v : of_row) v = _mm512_setzero_ps();
        for (std::int64_t r = 0; r < count; ++r) {
            const float* row = scores + (first + r) * padded;
            of_row[r] = _mm512_mask_loadu_ps(_mm512_set1_ps(-INFINITY), rest, row + whole);
            for (std::int64_t t = 0; t < whole; t += kLanes)
                of_row[r] = _mm512_max_ps(of_row[r], _mm512_loadu_ps(row + t));
        }
        const __m512 scaling = _mm512_set1_ps(scale * 1.44269504F);
        alignas(64) float greatest[kLanes];
        _mm512_store_ps(greatest, _mm512_mul_ps(fold<Max>(of_row), scaling));
        for (auto& v : of_row) v = _mm512_setzero_ps();
        for (std::int64_t r = 0; r < count; ++r) {
            const float* row = scores + (first + r) * padded;
            auto* to = reinterpret_cast<bf16_bits*>(probabilities) + (first + r) * padded;
            const __m512 shift = _mm512_set1_ps(greatest[r]);
            __m512 sum = _mm512_setzero_ps();
            for (std::int64_t t = 0; t < whole; t += kLanes) {
                const __m512 e = power_of_two(_mm512_fmsub_ps(_mm512_loadu_ps(row + t), scaling, shift));
                sum = _mm512_add_ps(sum, e);
                store_bf16(e, to + t);
            }
            if (whole < padded) {
                const __m512 x = _mm512_fmsub_ps(_mm512_maskz_loadu_ps(rest, row + whole), scaling, shift);
                const __m512 e = _mm512_maskz_mov_ps(rest, power_of_two(x));
                sum = _mm512_add_ps(sum, e);
                store_bf16(e, to + whole);
            }
            for (auto t = whole + kLanes; t < padded; t += kLanes) store_bf16(_mm512_setzero_ps(), to + t);
            of_row[r] = sum;
        }
        _mm512_storeu_ps(factors, _mm512_div_ps(_mm512_set1_ps(1.0F), fold<Add>(of_row)));
    }

    template <int R, class Out>
    MOEBERT_TARGET void rows(const bf16_bits* q, std::int64_t stride, float scale, Out* out,
                             std::int64_t out_stride) const {
        // H is even where heads are whole vectors, so that rows begin on pairs.
        product_rows<R>(reinterpret_cast<const Pair*>(q), stride / 2, keys, padded, size / 2, scores, padded);
        float factors[kLanes];
        softmax(0, R, scale, factors);
        product_rows<R>(probabilities, padded / 2, values, size, padded / 2, outputs, size);
        for (int r = 0; r < R; ++r) finish(r, factors[r], out + r * out_stride);
    }

    template <class Out>
    MOEBERT_INLINE void finish(std::int64_t r, float factor, Out* out) const {
        for (std::int64_t i = 0; i < size; i += kLanes) {
            const __m512 y = _mm512_mul_ps(_mm512_loadu_ps(outputs + r * size + i), _mm512_set1_ps(factor));
            if constexpr (std::is_same_v<Out, float>)
                _mm512_storeu_ps(out + i, y);
            else
                store_bf16(y, out + i);
        }
    }

    // Two tiles of queries, at q0 and q1, `count` of each.
    template <class Out>
    MOEBERT_TILE_TARGET void rows_on_tiles(const bf16_bits* q0, const bf16_bits* q1, std::int64_t count,
                                           std::int64_t stride, float scale, Out* out0, Out* out1,
                                           std::int64_t out_stride) const {
        constexpr auto kSecond = tiles::kSide;  // the first row of the second tile
        for (std::int64_t t = 0; t < padded; t += tiles::kBlock) {
            tiles::clear_sums();
            for (std::int64_t i = 0; i < size; i += 2 * kLanes)
                tiles::multiply<false>(q0 + i, q1 + i, stride * 2, keys + i / 2 * padded + t, padded * 4);
            tiles::store_sums(scores + t, scores + kSecond * padded + t, padded);
        }
        float factors[kMostRows];
        for (const auto first : {std::int64_t{0}, kSecond}) softmax(first, count, scale, factors + first);
        asm volatile("" ::: "memory");  // tile loads don't tell the compiler what they read
        for (std::int64_t i = 0; i < size; i += tiles::kBlock) {
            tiles::clear_sums();
            for (std::int64_t t = 0; t < padded; t += 2 * kLanes)
                tiles::multiply<false>(probabilities + t / 2, probabilities + (kSecond * padded + t) / 2, padded * 2,
                                       values + t / 2 * size + i, size * 4);
            tiles::store_sums(outputs + i, outputs + kSecond * size + i, size);
        }
        for (std::int64_t r = 0; r < count; ++r) {
            finish(r, factors[r], out0 + r * out_stride);
            finish(kSecond + r, factors[kSecond + r], out1 + r * out_stride);
        }
    }
};

// The last rows, fewer than kRows.
template <int R, class Out>
MOEBERT_TARGET void rest(const Head& head, const bf16_bits* q, std::int64_t stride, float scale, std::int64_t count,
                         Out* out, std::int64_t out_stride) {
    if (count == R) return head.rows<R>(q, stride, scale, out, out_stride);
    if constexpr (R > 1) rest<R - 1>(head, q, stride, scale, count, out, out_stride);
}

}  // namespace

bool has_bf16_attention(std::int64_t head_size) {
    return is_supported(Precision::bf16) && __builtin_cpu_supports("avx512bf16") && head_size % kLanes == 0;
}

namespace {

// Queries and outputs at `q` and `out`, of one head.
template <class Out>
void attend(const Head& head, const bf16_bits* q, std::int64_t stride, std::int64_t queries, Out* out,
            std::int64_t out_stride) {
    const float scale = 1.0F / std::sqrt(static_cast<float>(head.size));
    std::int64_t t = 0;
    for (; t + kRows <= queries; t += kRows)
        head.rows<kRows>(q + t * stride, stride, scale, out + t * out_stride, out_stride);
    rest<kRows - 1>(head, q + t * stride, stride, scale, queries - t, out + t * out_stride, out_stride);
}

template <class Out>
MOEBERT_TILE_TARGET void attend_on_tiles(const Head& head, const bf16_bits* q, std::int64_t stride,
                                         std::int64_t queries, Out* out, std::int64_t out_stride) {
    const float scale = 1.0F / std::sqrt(static_cast<float>(head.size));
    const tiles::Rows rows(queries);
    tiles::configure(rows.in_tile);
    for (std::int64_t block = 0; block < rows.blocks; ++block) {
        const auto first = rows.start(2 * block), second = rows.start(2 * block + 1);
        head.rows_on_tiles(q + first * stride, q + second * stride, rows.in_tile, stride, scale,
                           out + first * out_stride, out + second * out_stride, out_stride);
    }
    _tile_release();
}

template <class Out>
void attend_heads(const bf16_bits* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size,
                  AttentionPart part, float* work, Out* out) {
    const auto width = heads * head_size, stride = 3 * width;
    const Head head(work, tokens, head_size);
    const bool on_tiles = runs_on_tiles() && head_size % tiles::kBlock == 0;
    for (auto h = part.first_head; h < part.last_head; ++h) {
        const bf16_bits* q = qkv + h * head_size;
        head.take_keys(q + width, stride);
        head.take_values(q + 2 * width, stride);
        (on_tiles ? attend_on_tiles<Out> : attend<Out>)(head, q + part.first_query * stride, stride,
                                                        part.last_query - part.first_query, out + h * head_size, width);
    }
}

}  // namespace

void attention_bf16(const bf16_bits* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size,
                    AttentionPart part, float* work, float* out) {
    attend_heads(qkv, tokens, heads, head_size, part, work, out);
}

void attention_bf16(const bf16_bits* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size,
                    AttentionPart part, float* work, bf16_bits* out) {
    attend_heads(qkv, tokens, heads, head_size, part, work, out);
}

std::size_t attention_bf16_work(std::int64_t tokens, std::int64_t head_size) {
    const auto t = round_up(tokens, kTokens);
    return static_cast<std::size_t>(head_size * t + kMostRows * t + kMostRows * t / 2 + kMostRows * head_size);
}

}  // namespace moebert::engine

#else

namespace moebert::engine {

bool has_bf16_attention(std::int64_t) { return false; }

void attention_bf16(const bf16_bits*, std::int64_t, std::int64_t, std::int64_t, AttentionPart, float*, float*) {
    fail("attention in bfloat16: not on this processor");
}

void attention_bf16(const bf16_bits*, std::int64_t, std::int64_t, std::int64_t, AttentionPart, float*, bf16_bits*) {
    fail("attention in bfloat16: not on this processor");
}

std::size_t attention_bf16_work(std::int64_t, std::int64_t) { return 0; }

}  // namespace moebert::engine

#endif
