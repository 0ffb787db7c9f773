#include "train/kernels.h"

#include <cblas.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "core/random.h"

// Each kernel is compiled for several instruction sets; the loader picks the best one the CPU has. Sums along a row
// need `omp simd`: without it they keep the order of the loop, one addition after another.
#if defined(__x86_64__) && !defined(__clang__)
#define MOEBERT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MOEBERT_CLONES
#endif
#define MOEBERT_INLINE inline __attribute__((always_inline))

namespace moebert::kernels {
namespace {

// exp(x) for x <= 88, to 2 units in the last place: 2^n * e^r with a polynomial of degree 6 on |r| <= ln(2) / 2.
// Written without branches, so that loops over it vectorise.
MOEBERT_INLINE float exp_approx(float x) {
    x = x < -87.0F ? -87.0F : x;
    const float n = std::nearbyint(x * 1.44269504F);
    const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    float p = 1.3981999e-3F;
    p = p * r + 8.3334519e-3F;
    p = p * r + 4.1665796e-2F;
    p = p * r + 1.6666666e-1F;
    p = p * r + 0.5F;
    p = p * r * r + r + 1.0F;
    return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}

MOEBERT_INLINE std::uint32_t mix32(std::uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

// The masks of one row: factor(i) is 0 or 1 / (1 - p).
struct RowDropout {
    std::uint32_t key;
    std::uint32_t threshold;
    float scale;

    RowDropout(Dropout dropout, std::uint64_t row)
        : key(static_cast<std::uint32_t>(mix64(dropout.key ^ mix64(row)))),
          threshold(static_cast<std::uint32_t>(static_cast<double>(dropout.p) * 4294967296.0)),
          scale(1.0F / (1.0F - dropout.p)) {}

    bool is_off() const { return threshold == 0; }

    MOEBERT_INLINE float factor(std::int64_t i) const {
        return mix32(key ^ static_cast<std::uint32_t>(i)) < threshold ? 0.0F : scale;
    }
};

// One sentence and one head of a batch, with the leading dimensions of its matrices.
struct Tile {
    std::int64_t rows, keys;  // queries, keys
    std::int64_t first_row;
    std::int64_t head;
    std::int64_t qkv_stride;  // 3H
};

template <class Work>
void for_each_tile(Sentences sentences, Heads heads, Work work) {
    const std::int64_t batch = std::ssize(sentences.key_lengths);
    std::int64_t longest = 0;
    for (std::int64_t b = 0; b < batch; ++b)
        longest = std::max(longest, sentences.row_starts[b + 1] - sentences.row_starts[b]);
#pragma omp parallel
    {
        std::vector<float> scratch(static_cast<std::size_t>(2 * longest * longest));
#pragma omp for schedule(dynamic) collapse(2)
        for (std::int64_t b = 0; b < batch; ++b)
            for (std::int64_t h = 0; h < heads.count; ++h) {
                const std::int64_t start = sentences.row_starts[b];
                const Tile tile{sentences.row_starts[b + 1] - start, sentences.key_lengths[b], start, h,
                                3 * heads.count * heads.size};
                work(tile, scratch.data(), scratch.data() + longest * longest);
            }
    }
}

void multiply(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
              const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc) {
    cblas_sgemm(CblasRowMajor, ta, tb, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), alpha, a,
                static_cast<int>(lda), b, static_cast<int>(ldb), 0.0F, c, static_cast<int>(ldc));
}

struct TilePointers {
    const float *q, *k, *v;
};

TilePointers locate(const float* qkv, const Tile& tile, Heads heads) {
    const float* q = qkv + tile.first_row * tile.qkv_stride + tile.head * heads.size;
    const std::int64_t hidden = heads.count * heads.size;
    return {q, q + hidden, q + 2 * hidden};
}

// scores = scale * Q K^T
void attention_scores(const TilePointers& p, const Tile& tile, Heads heads, float* scores) {
    const float scale = 1.0F / std::sqrt(static_cast<float>(heads.size));
    multiply(CblasNoTrans, CblasTrans, tile.rows, tile.keys, heads.size, scale, p.q, tile.qkv_stride, p.k,
             tile.qkv_stride, scores, tile.keys);
}

// Turns a row of scores into probabilities and returns the log of the sum of their exponentials.
MOEBERT_CLONES float softmax_row(float* row, std::int64_t n) {
    float largest = row[0];
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 1; i < n; ++i) largest = row[i] > largest ? row[i] : largest;
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
        row[i] = exp_approx(row[i] - largest);
        sum += row[i];
    }
    const float inverse = 1.0F / sum;
    for (std::int64_t i = 0; i < n; ++i) row[i] *= inverse;
    return largest + std::log(sum);
}

MOEBERT_CLONES void apply_dropout(float* row, std::int64_t n, RowDropout dropout) {
    for (std::int64_t i = 0; i < n; ++i) row[i] *= dropout.factor(i);
}

// The key of a row of attention probabilities: unique in the batch.
std::uint64_t attention_row(const Tile& tile, Heads heads, std::int64_t row) {
    return static_cast<std::uint64_t>((tile.first_row + row) * heads.count + tile.head);
}

// From scores and their log-sum: dropped = probabilities after dropout, d_probs (gradient after dropout) becomes
// d_scores.
MOEBERT_CLONES void softmax_backward_row(float* scores, float* d_probs, std::int64_t n, float log_sum,
                                         RowDropout dropout) {
    float dot = 0.0F;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < n; ++i) {
        const float probability = exp_approx(scores[i] - log_sum);
        const float keep = dropout.factor(i);
        d_probs[i] *= keep;
        dot += probability * d_probs[i];
        scores[i] = probability;
    }
    for (std::int64_t i = 0; i < n; ++i) {
        d_probs[i] = scores[i] * (d_probs[i] - dot);
        scores[i] *= dropout.factor(i);
    }
}

}  // namespace

void attention_forward(const float* qkv, Sentences sentences, Heads heads, Dropout dropout, float* context,
                       float* log_sum) {
    const std::int64_t hidden = heads.count * heads.size, tokens = sentences.row_starts.back();
    for_each_tile(sentences, heads, [&](const Tile& tile, float* scores, float*) {
        const auto p = locate(qkv, tile, heads);
        attention_scores(p, tile, heads, scores);
        for (std::int64_t i = 0; i < tile.rows; ++i) {
            float* row = scores + i * tile.keys;
            log_sum[tile.head * tokens + tile.first_row + i] = softmax_row(row, tile.keys);
            if (dropout.p > 0) apply_dropout(row, tile.keys, RowDropout(dropout, attention_row(tile, heads, i)));
        }
        multiply(CblasNoTrans, CblasNoTrans, tile.rows, heads.size, tile.keys, 1.0F, scores, tile.keys, p.v,
                 tile.qkv_stride, context + tile.first_row * hidden + tile.head * heads.size, hidden);
    });
}

void attention_backward(const float* qkv, const float* log_sum, const float* d_context, Sentences sentences,
                        Heads heads, Dropout dropout, float* d_qkv) {
    const std::int64_t hidden = heads.count * heads.size, tokens = sentences.row_starts.back();
    const float scale = 1.0F / std::sqrt(static_cast<float>(heads.size));
    for_each_tile(sentences, heads, [&](const Tile& tile, float* scores, float* d_probs) {
        const auto p = locate(qkv, tile, heads);
        const float* d_out = d_context + tile.first_row * hidden + tile.head * heads.size;
        float* d_q = d_qkv + (p.q - qkv);
        float* d_k = d_q + hidden;
        float* d_v = d_k + hidden;
        attention_scores(p, tile, heads, scores);
        multiply(CblasNoTrans, CblasTrans, tile.rows, tile.keys, heads.size, 1.0F, d_out, hidden, p.v, tile.qkv_stride,
                 d_probs, tile.keys);
        for (std::int64_t i = 0; i < tile.rows; ++i)
            softmax_backward_row(scores + i * tile.keys, d_probs + i * tile.keys, tile.keys,
                                 log_sum[tile.head * tokens + tile.first_row + i],
                                 RowDropout(dropout, attention_row(tile, heads, i)));
        multiply(CblasTrans, CblasNoTrans, tile.keys, heads.size, tile.rows, 1.0F, scores, tile.keys, d_out, hidden,
                 d_v, tile.qkv_stride);
        multiply(CblasNoTrans, CblasNoTrans, tile.rows, heads.size, tile.keys, scale, d_probs, tile.keys, p.k,
                 tile.qkv_stride, d_q, tile.qkv_stride);
        multiply(CblasTrans, CblasNoTrans, tile.keys, heads.size, tile.rows, scale, d_probs, tile.keys, p.q,
                 tile.qkv_stride, d_k, tile.qkv_stride);
    });
}

namespace {

MOEBERT_CLONES void add_norm_row(const float* x, const float* residual, RowDropout dropout, const float* weight,
                                 const float* bias, std::int64_t width, float epsilon, float* y, float* normalized,
                                 float* inverse_std) {
    float sum = 0.0F;
    if (dropout.is_off())
        for (std::int64_t i = 0; i < width; ++i) normalized[i] = x[i] + residual[i];
    else
        for (std::int64_t i = 0; i < width; ++i) normalized[i] = x[i] * dropout.factor(i) + residual[i];
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < width; ++i) sum += normalized[i];
    const float mean = sum / static_cast<float>(width);
    float squares = 0.0F;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < width; ++i) {
        normalized[i] -= mean;
        squares += normalized[i] * normalized[i];
    }
    const float scale = 1.0F / std::sqrt(squares / static_cast<float>(width) + epsilon);
    for (std::int64_t i = 0; i < width; ++i) {
        normalized[i] *= scale;
        y[i] = normalized[i] * weight[i] + bias[i];
    }
    *inverse_std = scale;
}

// d_sum: the gradient of residual + dropout(x).
MOEBERT_CLONES void norm_backward_row(const float* d_y, const float* normalized, float inverse_std, const float* weight,
                                      std::int64_t width, float* d_sum) {
    float mean = 0.0F, mean_product = 0.0F;
#pragma omp simd reduction(+ : mean, mean_product)
    for (std::int64_t i = 0; i < width; ++i) {
        const float g = d_y[i] * weight[i];
        mean += g;
        mean_product += g * normalized[i];
    }
    mean /= static_cast<float>(width);
    mean_product /= static_cast<float>(width);
    for (std::int64_t i = 0; i < width; ++i)
        d_sum[i] = inverse_std * (d_y[i] * weight[i] - mean - normalized[i] * mean_product);
}

MOEBERT_CLONES void scale_by_dropout(const float* from, RowDropout dropout, std::int64_t width, float* to) {
    for (std::int64_t i = 0; i < width; ++i) to[i] = from[i] * dropout.factor(i);
}

MOEBERT_CLONES void add_weight_gradients(const float* d_y, const float* normalized, std::int64_t width, float* d_weight,
                                         float* d_bias) {
    for (std::int64_t i = 0; i < width; ++i) {
        d_weight[i] += d_y[i] * normalized[i];
        d_bias[i] += d_y[i];
    }
}

MOEBERT_CLONES void add_to(float* sum, const float* values, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) sum[i] += values[i];
}

// Sums over rows, `width` of them: add_row(r, sums) adds row r's. Rows are added up in blocks of a fixed size, and the
// blocks in order, so that the result does not depend on the number of threads.
template <class AddRow>
void sum_rows(std::int64_t rows, std::int64_t width, float* out, AddRow add_row) {
    constexpr std::int64_t kBlock = 64;
    const std::int64_t blocks = (rows + kBlock - 1) / kBlock;
    std::vector<float> partial(static_cast<std::size_t>(blocks * width), 0.0F);
#pragma omp parallel for
    for (std::int64_t block = 0; block < blocks; ++block)
        for (std::int64_t r = block * kBlock; r < std::min(rows, (block + 1) * kBlock); ++r)
            add_row(r, partial.data() + block * width);
    std::fill_n(out, width, 0.0F);
    for (std::int64_t block = 0; block < blocks; ++block) add_to(out, partial.data() + block * width, width);
}

void norm_weight_gradients(const float* d_y, const float* normalized, NormShape shape, float* d_weight, float* d_bias) {
    const std::int64_t width = shape.width;
    std::vector<float> both(static_cast<std::size_t>(2 * width));
    sum_rows(shape.rows, 2 * width, both.data(), [&](std::int64_t r, float* sums) {
        add_weight_gradients(d_y + r * width, normalized + r * width, width, sums, sums + width);
    });
    std::copy_n(both.data(), width, d_weight);
    std::copy_n(both.data() + width, width, d_bias);
}

}  // namespace

void add_norm_forward(const float* x, const float* residual, Dropout dropout, const float* weight, const float* bias,
                      NormShape shape, float* y, float* normalized, float* inverse_std) {
    const std::int64_t w = shape.width;
#pragma omp parallel for
    for (std::int64_t r = 0; r < shape.rows; ++r)
        add_norm_row(x + r * w, residual + r * w, RowDropout(dropout, static_cast<std::uint64_t>(r)), weight, bias, w,
                     shape.epsilon, y + r * w, normalized + r * w, inverse_std + r);
}

void add_norm_backward(const float* d_y, const float* normalized, const float* inverse_std, const float* weight,
                       Dropout dropout, NormShape shape, float* d_x, float* d_residual, float* d_weight,
                       float* d_bias) {
    const std::int64_t w = shape.width;
#pragma omp parallel for
    for (std::int64_t r = 0; r < shape.rows; ++r) {
        float* d_sum = (d_residual ? d_residual : d_x) + r * w;
        norm_backward_row(d_y + r * w, normalized + r * w, inverse_std[r], weight, w, d_sum);
        if (d_x) scale_by_dropout(d_sum, RowDropout(dropout, static_cast<std::uint64_t>(r)), w, d_x + r * w);
    }
    if (d_weight) norm_weight_gradients(d_y, normalized, shape, d_weight, d_bias);
}

MOEBERT_CLONES static void mask_row(RowDropout dropout, std::int64_t n, float* mask) {
    for (std::int64_t i = 0; i < n; ++i) mask[i] = dropout.factor(i);
}

void dropout_mask(Dropout dropout, std::int64_t count, float* mask) {
    constexpr std::int64_t kRow = 4096;
#pragma omp parallel for
    for (std::int64_t first = 0; first < count; first += kRow)
        mask_row(RowDropout(dropout, static_cast<std::uint64_t>(first)), std::min(kRow, count - first), mask + first);
}

MOEBERT_CLONES static void adamw_block(const AdamStep& step, std::int64_t n, float* __restrict p,
                                       const float* __restrict g, float* __restrict m, float* __restrict v) {
    const float rate = step.learning_rate / step.correction1, decay = 1.0F - step.learning_rate * step.weight_decay;
    const float inverse_correction2 = 1.0F / step.correction2;
    for (std::int64_t i = 0; i < n; ++i) {
        const float gradient = g[i] * step.grad_scale;
        m[i] = step.beta1 * m[i] + (1.0F - step.beta1) * gradient;
        v[i] = step.beta2 * v[i] + (1.0F - step.beta2) * gradient * gradient;
        p[i] = p[i] * decay - rate * m[i] / (std::sqrt(v[i] * inverse_correction2) + step.epsilon);
    }
}

void adamw(const AdamStep& step, std::int64_t count, float* parameter, const float* gradient, float* mean,
           float* variance) {
    constexpr std::int64_t kBlock = 1 << 16;
#pragma omp parallel for
    for (std::int64_t i = 0; i < count; i += kBlock)
        adamw_block(step, std::min(kBlock, count - i), parameter + i, gradient + i, mean + i, variance + i);
}

void adamw_rows(const AdamStep& step, RowsShape shape, const bool* touched, std::span<const std::int64_t> places,
                const float* gradient, float* parameter, float* mean, float* variance) {
    const std::vector<float> zero(static_cast<std::size_t>(shape.width), 0.0F);
#pragma omp parallel for schedule(dynamic, 64)
    for (std::int64_t r = 0; r < shape.rows; ++r) {
        if (touched && !touched[r]) continue;
        const auto place = places[static_cast<std::size_t>(r)];
        const std::int64_t at = r * shape.width;
        adamw_block(step, shape.width, parameter + at, place < 0 ? zero.data() : gradient + place * shape.width,
                    mean + at, variance + at);
    }
}

MOEBERT_CLONES static float sum_of_squares_block(const float* values, std::int64_t n) {
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) sum += values[i] * values[i];
    return sum;
}

double sum_of_squares(const float* values, std::int64_t count) {
    constexpr std::int64_t kBlock = 1 << 12;
    const std::int64_t blocks = (count + kBlock - 1) / kBlock;
    std::vector<float> partial(static_cast<std::size_t>(blocks));
#pragma omp parallel for
    for (std::int64_t b = 0; b < blocks; ++b)
        partial[static_cast<std::size_t>(b)] =
            sum_of_squares_block(values + b * kBlock, std::min(kBlock, count - b * kBlock));
    double sum = 0.0;
    for (const float value : partial) sum += value;
    return sum;
}

MOEBERT_CLONES static void add_importance_row(const float* d_z, const float* z, const float* bias, const float* d_a,
                                              const float* a, std::int64_t width, double* sums) {
    for (std::int64_t j = 0; j < width; ++j) sums[j] += static_cast<double>(d_z[j] * (z[j] - bias[j]) + d_a[j] * a[j]);
}

void accumulate_importance(const float* d_z, const float* z, const float* bias, const float* d_a, const float* a,
                           std::span<const std::int64_t> row_starts, std::int64_t width, double* scores) {
    const std::int64_t batch = std::ssize(row_starts) - 1;
    constexpr std::int64_t kStrip = 256;  // neurons a task: sums stay in the first-level cache
#pragma omp parallel for
    for (std::int64_t j = 0; j < width; j += kStrip) {
        const std::int64_t n = std::min(kStrip, width - j);
        double sums[kStrip];
        for (std::int64_t b = 0; b < batch; ++b) {
            std::fill_n(sums, n, 0.0);
            for (std::int64_t r = row_starts[b]; r < row_starts[b + 1]; ++r) {
                const std::int64_t at = r * width + j;
                add_importance_row(d_z + at, z + at, bias + j, d_a + at, a + at, n, sums);
            }
            for (std::int64_t i = 0; i < n; ++i) scores[j + i] += std::abs(sums[i]);
        }
    }
}

void column_sums(const float* x, std::int64_t rows, std::int64_t width, float* out) {
    sum_rows(rows, width, out, [&](std::int64_t r, float* sums) { add_to(sums, x + r * width, width); });
}

}  // namespace moebert::kernels
