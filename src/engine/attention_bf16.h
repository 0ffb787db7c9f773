// Softmax attention with bfloat16 products, for the processors that have instructions for them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/kernels.h"

namespace moebert::engine {

// Whether this processor can, and heads of this size are cut into whole vectors.
bool has_bf16_attention(std::int64_t head_size);

// As attention(), from bfloat16. Scores, softmax and sums are float32; the probabilities are rounded to bfloat16, and
// the results where they are wanted so.
void attention_bf16(const bf16_bits* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size,
                    AttentionPart part, float* work, float* out);
void attention_bf16(const bf16_bits* qkv, std::int64_t tokens, std::int64_t heads, std::int64_t head_size,
                    AttentionPart part, float* work, bf16_bits* out);
std::size_t attention_bf16_work(std::int64_t tokens, std::int64_t head_size);  // floats

}  // namespace moebert::engine
