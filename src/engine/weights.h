// A checkpoint's weights as the engine takes them: packed for its products, once.
#pragma once

#include <vector>

#include "engine/kernels.h"
#include "engine/linear.h"
#include "io/checkpoint.h"

namespace moebert::engine {

struct LayerNorm {
    std::vector<float> scale, shift;  // (H)
    float epsilon = 1e-12F;
    NormWeights view() const { return {scale, shift, epsilon}; }
};

struct FeedForward {
    Linear up;    // (D, H), with the activation
    Linear down;  // (H, D)
    LayerNorm norm;
};

struct Layer {
    Linear qkv;               // (3 H, H): query, key and value
    Linear attention_output;  // (H, H)
    LayerNorm attention_norm;
    std::vector<FeedForward> experts;  // one in a dense model

    std::vector<std::int32_t> hash_table;  // (V), an expert a token; hash methods
    Linear gate;                           // (N, H); gated methods, float32
};

struct Weights {
    ModelConfig config;
    Precision precision = Precision::fp32;
    std::vector<float> words, positions, types;  // (V, H), (P, H), (type_vocab_size, H)
    LayerNorm embedding_norm;
    std::vector<Layer> layers;
    Linear pooler;  // (H, H) with tanh, float32; not for question answering
    Linear head;    // (labels, H), float32
};

// Throws an Error when the checkpoint lacks its head.
Weights pack_weights(const Checkpoint& checkpoint, Precision precision);

}  // namespace moebert::engine
