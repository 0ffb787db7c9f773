// CPU kernels of training that libtorch lacks or does in many passes: each has a plain twin in ops.cc, used on other
// devices and by the tests. Everything is float32; rows are tokens of all sentences one after another, without padding.
#pragma once

#include <cstdint>
#include <span>

namespace moebert::kernels {

// Inverted dropout with a counter-based generator: the mask of an element depends on `key` and its index only, so the
// backward pass recomputes it and nothing is stored.
struct Dropout {
    float p = 0.0F;  // probability of a zero; 0 switches it off
    std::uint64_t key = 0;
};

// Sentences of a batch: rows row_starts[b] .. row_starts[b+1]-1 are sentence b, of which the first key_lengths[b] take
// part as keys (all of them, unless the batch was padded on purpose).
struct Sentences {
    std::span<const std::int64_t> row_starts;   // (B + 1)
    std::span<const std::int64_t> key_lengths;  // (B)
};

struct Heads {
    std::int64_t count;  // h
    std::int64_t size;   // d, so that H = h * d
};

// Scaled dot-product attention, sentence by sentence and head by head.
// qkv: (T, 3H), query, key and value side by side; context: (T, H); log_sum: (h, T), the softmax's log of sums.
void attention_forward(const float* qkv, Sentences sentences, Heads heads, Dropout dropout, float* context,
                       float* log_sum);

// d_qkv: (T, 3H), must be zero on entry.
void attention_backward(const float* qkv, const float* log_sum, const float* d_context, Sentences sentences,
                        Heads heads, Dropout dropout, float* d_qkv);

struct NormShape {
    std::int64_t rows;
    std::int64_t width;
    float epsilon;
};

// y = LayerNorm(residual + dropout(x)) * weight + bias; all (rows, width).
// Kept for the backward pass: normalized (rows, width), before weight and bias, and inverse_std (rows).
void add_norm_forward(const float* x, const float* residual, Dropout dropout, const float* weight, const float* bias,
                      NormShape shape, float* y, float* normalized, float* inverse_std);

// d_x, d_residual: (rows, width), either may be null; d_weight, d_bias: (width), both null when not wanted.
void add_norm_backward(const float* d_y, const float* normalized, const float* inverse_std, const float* weight,
                       Dropout dropout, NormShape shape, float* d_x, float* d_residual, float* d_weight, float* d_bias);

// out[i] = sum over rows of x[r, i]; x: (rows, width).
void column_sums(const float* x, std::int64_t rows, std::int64_t width, float* out);

// mask[i] is 0 with probability p, else 1 / (1 - p).
void dropout_mask(Dropout dropout, std::int64_t count, float* mask);

// One pass of AdamW (decoupled decay) over `count` parameters.
struct AdamStep {
    float learning_rate, beta1, beta2, epsilon, weight_decay;
    float grad_scale;   // the gradient is multiplied by this first (clipping, averaging)
    float correction1;  // 1 - beta1^t
    float correction2;  // 1 - beta2^t
};
void adamw(const AdamStep& step, std::int64_t count, float* parameter, const float* gradient, float* mean,
           float* variance);

// The same where only some of the rows have a gradient: row r's is gradient + places[r] * width, or zero where
// places[r] is -1. Rows that are not `touched` are left alone; null: none is.
struct RowsShape {
    std::int64_t rows, width;
};
void adamw_rows(const AdamStep& step, RowsShape shape, const bool* touched, std::span<const std::int64_t> places,
                const float* gradient, float* parameter, float* mean, float* variance);

double sum_of_squares(const float* values, std::int64_t count);

// Adds |sum over the sentence's rows of d_z * (z - bias) + d_a * a| to scores, for every sentence and neuron.
// All but bias (width) and scores (width) are (T, width).
void accumulate_importance(const float* d_z, const float* z, const float* bias, const float* d_a, const float* a,
                           std::span<const std::int64_t> row_starts, std::int64_t width, double* scores);

}  // namespace moebert::kernels
