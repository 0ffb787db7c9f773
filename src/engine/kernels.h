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

// out = LayerNorm(x + residual) * factor, of one row of `width`; residual and out may be the same. The second rounds it
// too, as round_to_bf16() does.
void add_layer_norm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out);
void add_layer_norm(const float* x, const float* residual, const NormWeights& norm, float factor, float* out,
                    bf16_bits* rounded);

// y = W x, for the few columns of a gate. x: (inner), weight: (columns, inner), y: (columns).
void multiply_vector(std::span<const float> x, std::span<const float> weight, std::span<float> y);
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

// The fastest vectors used from now on: "avx512_bf16" or "avx512", "avx2", "sse4" or "plain". Others are a UsageError.
void limit_vectors(const std::string& name);

}  // namespace moebert::engine
