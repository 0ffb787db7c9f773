// What lies between the matrix products, in vector code chosen at run time for the processor. One thread; row-major.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/operand.h"

namespace moebert::engine {

// The instruction set in use, as Highway names it: "AVX3_ZEN4".
std::string vector_target();

struct NormWeights {
    std::span<const float> scale, shift;  // (width)
    float epsilon = 1e-12F;
};

// A row as bytes: q = round(x / scale + zero), in 0..255; the range of x and zero takes 254 steps.
struct RowScale {
    float scale;
    std::int32_t zero;
};

// out = LayerNorm(x + residual) * factor, of one row of `width`; residual and out may be the same. The second and the
// third round it too, as round_to_bf16() and quantize_row() do.
void add_layer_norm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out);
void add_layer_norm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out,
                    bf16_bits* rounded);
RowScale add_layer_norm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out,
                        std::uint8_t* bytes);

// y = W x + b, for the few columns of a gate. x: (inner), weight: (columns, inner), bias and y: (columns).
void multiply_vector(std::span<const float> x, std::span<const float> weight, std::span<const float> bias, float* y);
// sum += x, `count` values.
void add_to(float* sum, const float* x, std::int64_t count);

// Of a sentence, queries and heads up to the last, which is not one of them.
struct AttentionPart {
    std::int64_t first_query, last_query, first_head, last_head;
};

// Softmax attention inside one sentence. qkv: (tokens, 3 H), queries, keys and values of all heads one after another;
// out: (queries of the part, H), of which the part's heads are written. `work` holds attention_work(tokens, head_size)
// floats.
void attention(const float* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size, AttentionPart part,
               float* work, float* out);
std::size_t attention_work(std::int64_t tokens, std::int64_t head_size);

void round_to_bf16(const float* x, std::int64_t count, bf16_bits* out);

RowScale quantize_row(const float* x, std::int64_t count, std::uint8_t* out);

// Beside the bytes of an int8 layer's weights.
struct ColumnScales {
    std::span<const float> scale;       // (columns)
    std::span<const std::int32_t> sum;  // (columns), of the column's bytes
    std::span<const float> bias;        // (columns)
};

// In place, from the integer sums of a product, (rows, columns), to what they stand for, float32:
// y = scale_r scale_c (sum - zero_r sum_c) + bias_c.
void dequantize(const Operand& x, std::int64_t rows, const ColumnScales& columns, void* sums);
// The same, and then gelu, within 5e-5 and 4e-5 of the value, far less than bytes can tell apart.
void dequantize_gelu(const Operand& x, std::int64_t rows, const ColumnScales& columns, void* sums);

// The fastest vectors used from now on: "avx512_bf16" or "avx512", "avx2", "sse4" or "plain". Others are a UsageError.
void limit_vectors(const std::string& name);

}  // namespace moebert::engine
