#include "engine/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace moebert::engine {
namespace {

class Packer {
public:
    Packer(const Checkpoint& checkpoint, Precision precision)
        : checkpoint_(checkpoint), config_(checkpoint.config), precision_(precision) {}

    Weights pack() {
        Weights weights{config_,
                        precision_,
                        values("bert.embeddings.word_embeddings.weight"),
                        values("bert.embeddings.position_embeddings.weight"),
                        values("bert.embeddings.token_type_embeddings.weight"),
                        norm("bert.embeddings.LayerNorm"),
                        {},
                        {},
                        {}};
        for (std::int64_t k = 0; k < config_.num_hidden_layers; ++k) weights.layers.push_back(layer(k));
        const bool spans = config_.problem_type == ProblemType::question_answering;
        if (!spans) weights.pooler = linear("bert.pooler.dense", Precision::fp32, Precision::fp32, "tanh");
        weights.head = linear(spans ? "qa_outputs" : "classifier", Precision::fp32, Precision::fp32);
        return weights;
    }

private:
    // A copy: tensors in a mapped file need not be aligned.
    template <class T = float>
    std::vector<T> values(const std::string& name) const {
        const auto found = checkpoint_.tensors.find(name);
        if (found == checkpoint_.tensors.end())
            fail("{}: {} is missing: the model has no trained head; fine-tune it first (`moebert finetune`)",
                 checkpoint_.directory.string(), name);
        const auto& bytes = found->second.bytes;
        std::vector<T> out(bytes.size() / sizeof(T));
        std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
        return out;
    }

    LayerNorm norm(const std::string& name) const {
        return {values(name + ".weight"), values(name + ".bias"), static_cast<float>(config_.layer_norm_eps)};
    }

    Linear linear(const std::string& name, Precision in, Precision out,
                  const std::string& activation = "linear") const {
        return {values(name + ".weight"), values(name + ".bias"), in, out, activation};
    }

    // Query, key and value as one product.
    Linear query_key_value(const std::string& layer) const {
        std::vector<float> weight, bias;
        for (const char* part : {"query", "key", "value"}) {
            const auto name = layer + "attention.self." + part;
            const auto w = values(name + ".weight"), b = values(name + ".bias");
            weight.insert(weight.end(), w.begin(), w.end());
            bias.insert(bias.end(), b.begin(), b.end());
        }
        return {weight, bias, precision_, Precision::fp32};
    }

    FeedForward feed_forward(const std::string& up, const std::string& down, const std::string& norm_name) const {
        return {linear(up, precision_, precision_, config_.hidden_act), linear(down, precision_, Precision::fp32),
                norm(norm_name)};
    }

    Layer layer(std::int64_t k) const {
        const auto name = fmt::format("bert.encoder.layer.{}.", k);
        Layer out;
        out.qkv = query_key_value(name);
        out.attention_output = linear(name + "attention.output.dense", precision_, Precision::fp32);
        out.attention_norm = norm(name + "attention.output.LayerNorm");
        if (config_.moe)
            add_mixture(name + "experts.", out);
        else
            out.experts.push_back(
                feed_forward(name + "intermediate.dense", name + "output.dense", name + "output.LayerNorm"));
        return out;
    }

    void add_mixture(const std::string& name, Layer& out) const {
        for (std::int64_t e = 0; e < config_.moe->num_experts; ++e) {
            const auto expert = fmt::format("{}experts.{}.", name, e);
            out.experts.push_back(feed_forward(expert + "fc1", expert + "fc2", expert + "LayerNorm"));
        }
        if (is_gated(config_.moe->route_method)) {
            const std::vector<float> no_bias(static_cast<std::size_t>(config_.moe->num_experts), 0.0F);
            out.gate = {values(name + "gate.weight"), no_bias, Precision::fp32, Precision::fp32};
        } else {
            const auto table = values<std::int64_t>(name + "hash_list");
            out.hash_table.assign(table.begin(), table.end());
        }
    }

    const Checkpoint& checkpoint_;
    const ModelConfig& config_;
    Precision precision_;
};

}  // namespace

Weights pack_weights(const Checkpoint& checkpoint, Precision precision) { return Packer(checkpoint, precision).pack(); }

}  // namespace moebert::engine
