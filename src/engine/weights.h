// A model's weights as the engine takes them: packed for its products, once.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/kernels.h"
#include "engine/linear.h"
#include "io/checkpoint.h"

namespace moebert::engine {

// Values that are shared, not copied: a vector's, or those of a mapped file.
template <class T>
struct Values {
    std::span<const T> span;
    std::shared_ptr<const void> owner;

    static Values of(std::vector<T> values) {
        auto own = std::make_shared<const std::vector<T>>(std::move(values));
        return {*own, own};
    }
};

struct LayerNorm {
    Values<float> scale, shift;  // (H)
    float epsilon = 1e-12F;
    NormWeights view() const { return {scale.span, shift.span, epsilon}; }
};

struct FeedForward {
    Linear up;    // (D, H), with the activation
    Linear down;  // (H, D)
    LayerNorm norm;
};

struct Layer {
    Linear qkv;               // (3 H, H): query, key and value; see Weights::rounds_attention
    Linear attention_output;  // (H, H)
    LayerNorm attention_norm;
    std::vector<FeedForward> experts;  // one in a dense model

    Values<std::int32_t> hash_table;  // (V), an expert a token; hash methods
    bool shares_table = false;        // the layer before has the same
    Values<float> gate;               // (N, H); gated methods
};

struct Weights {
    ModelConfig config;
    Precision precision = Precision::fp32;
    bool rounds_attention = false;          // its products are bfloat16 too, and qkv's results
    Values<float> words, positions, types;  // (V, H), (P, H), (type_vocab_size, H)
    LayerNorm embedding_norm;
    std::vector<Layer> layers;
    Linear pooler;  // (H, H) with tanh, float32; not for question answering
    Linear head;    // (labels, H), float32

    // Attention's results are written as the next product reads them.
    bool rounds_context() const { return rounds_attention && precision == Precision::bf16; }
};

// Where weights come from, by the names that checkpoints have.
class WeightSource {
public:
    virtual ~WeightSource() = default;
    // One layer of several, (sum of columns, inner), one after another.
    virtual LinearWeights linear(const std::vector<std::string>& names, std::int64_t inner, std::int64_t columns,
                                 Precision precision) = 0;
    virtual Values<float> floats(const std::string& name, std::int64_t count) = 0;
    virtual Values<std::int32_t> table(const std::string& name, std::int64_t count) = 0;
};

// Asks `source` for everything that such a model has, in the order of its layers.
Weights assemble(const ModelConfig& config, Precision precision, WeightSource& source);

// From a checkpoint's tensors. Throws an Error when it lacks its head.
class CheckpointSource : public WeightSource {
public:
    explicit CheckpointSource(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}
    LinearWeights linear(const std::vector<std::string>& names, std::int64_t inner, std::int64_t columns,
                         Precision precision) override;
    Values<float> floats(const std::string& name, std::int64_t count) override;
    Values<std::int32_t> table(const std::string& name, std::int64_t count) override;

private:
    const Tensor& tensor(const std::string& name) const;
    void check_finite(std::span<const float> weight, const std::string& name) const;

    const Checkpoint& checkpoint_;
    std::shared_ptr<std::pmr::memory_resource> arena_ = make_arena();  // of packed weights
};

Weights pack_weights(const Checkpoint& checkpoint, Precision precision);

}  // namespace moebert::engine
