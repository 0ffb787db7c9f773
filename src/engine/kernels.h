// What lies between the matrix products, in vector code chosen at run time for the processor. One thread; row-major.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace moebert::engine {

// The instruction set in use, as Highway names it: "AVX3_ZEN4".
std::string vector_target();

using bf16_bits = std::uint16_t;

// Where the rows of a layer's output go and what is done to them: row i, multiplied by factor[i], becomes row rows[i].
struct Scatter {
    std::span<const std::int32_t> rows;  // empty: row i becomes row i
    std::span<const float> factor;       // empty: 1
};

struct NormWeights {
    std::span<const float> scale, shift;  // (width)
    float epsilon = 1e-12F;
};

// out[to] = LayerNorm(x[i] + residual[to]) * factor, float32, and the same rounded to bfloat16 in out_bf16 unless that
// is null. x: (rows, width); residual and out: as many rows as there are to scatter to, and they may be the same.
void add_layer_norm(const float* x, const float* residual, std::int64_t rows, const NormWeights& norm,
                    const Scatter& scatter, float* out, bf16_bits* out_bf16);

// Softmax attention inside one sentence. qkv: (tokens, 3 H), queries, keys and values of all heads one after another;
// out: (tokens, H), or of its first row alone when `only_first`. `work` holds attention_work(tokens, head_size) floats.
void attention(const float* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size, bool only_first,
               float* work, float* out);
std::size_t attention_work(std::int64_t tokens, std::int64_t head_size);

void round_to_bf16(const float* x, std::int64_t count, bf16_bits* out);

}  // namespace moebert::engine
