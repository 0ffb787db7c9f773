#include "engine/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "engine/attention_bf16.h"

namespace moebert::engine {
namespace {

class Assembler {
public:
    Assembler(const ModelConfig& config, Precision precision, WeightSource& source)
        : c_(config),
          precision_(precision),
          source_(source),
          h_(config.hidden_size),
          rounds_attention_(precision != Precision::fp32 && has_bf16_attention(config.head_size())) {}

    Weights assemble() {
        Weights weights;
        weights.config = c_;
        weights.precision = precision_;
        weights.rounds_attention = rounds_attention_;
        weights.words = source_.floats("bert.embeddings.word_embeddings.weight", c_.vocab_size * h_);
        weights.positions =
            source_.floats("bert.embeddings.position_embeddings.weight", c_.max_position_embeddings * h_);
        weights.types = source_.floats("bert.embeddings.token_type_embeddings.weight", c_.type_vocab_size * h_);
        weights.embedding_norm = norm("bert.embeddings.LayerNorm");
        for (std::int64_t k = 0; k < c_.num_hidden_layers; ++k) add_layer(weights.layers, k);
        const bool spans = c_.problem_type == ProblemType::question_answering;
        if (!spans) weights.pooler = linear({"bert.pooler.dense"}, h_, h_, Precision::fp32, "tanh");
        weights.head = linear({spans ? "qa_outputs" : "classifier"}, h_, c_.num_labels(), Precision::fp32);
        return weights;
    }

private:
    LayerNorm norm(const std::string& name) {
        return {source_.floats(name + ".weight", h_), source_.floats(name + ".bias", h_),
                static_cast<float>(c_.layer_norm_eps)};
    }

    Linear linear(const std::vector<std::string>& names, std::int64_t inner, std::int64_t columns, Precision precision,
                  const std::string& activation = "linear", Result result = Result::fp32) {
        return Linear(source_.linear(names, inner, columns, precision), activation, result);
    }

    FeedForward feed_forward(const std::string& up, const std::string& down, const std::string& norm_name,
                             std::int64_t width) {
        return {linear({up}, h_, width, precision_, c_.hidden_act, Result::operand),
                linear({down}, width, h_, precision_), norm(norm_name)};
    }

    void add_layer(std::vector<Layer>& layers, std::int64_t k) {
        const auto name = fmt::format("bert.encoder.layer.{}.", k);
        const auto self = name + "attention.self.";
        Layer layer;
        layer.qkv = linear({self + "query", self + "key", self + "value"}, h_, 3 * h_, precision_, "linear",
                           rounds_attention_ ? Result::bf16 : Result::fp32);
        layer.attention_output = linear({name + "attention.output.dense"}, h_, h_, precision_);
        layer.attention_norm = norm(name + "attention.output.LayerNorm");
        if (c_.moe)
            add_mixture(name + "experts.", layer, layers.empty() ? nullptr : &layers.back());
        else
            layer.experts.push_back(feed_forward(name + "intermediate.dense", name + "output.dense",
                                                 name + "output.LayerNorm", c_.intermediate_size));
        layers.push_back(std::move(layer));
    }

    void add_mixture(const std::string& name, Layer& layer, const Layer* before) {
        for (std::int64_t e = 0; e < c_.moe->num_experts; ++e) {
            const auto expert = fmt::format("{}experts.{}.", name, e);
            layer.experts.push_back(
                feed_forward(expert + "fc1", expert + "fc2", expert + "LayerNorm", c_.moe->expert_size));
        }
        if (is_gated(c_.moe->route_method)) {
            layer.gate = source_.floats(name + "gate.weight", c_.moe->num_experts * h_);
            return;
        }
        layer.hash_table = source_.table(name + "hash_list", c_.vocab_size);
        for (const auto expert : layer.hash_table.span)
            if (expert < 0 || expert >= c_.moe->num_experts)
                fail("{}hash_list: expert {} of {}", name, expert, c_.moe->num_experts);
        layer.shares_table = before && std::ranges::equal(before->hash_table.span, layer.hash_table.span);
    }

    const ModelConfig& c_;
    Precision precision_;
    WeightSource& source_;
    std::int64_t h_;
    bool rounds_attention_;
};

// A copy: tensors in a mapped file need not be aligned.
template <class T>
std::vector<T> copy(const Tensor& tensor) {
    std::vector<T> out(tensor.bytes.size() / sizeof(T));
    std::memcpy(out.data(), tensor.bytes.data(), out.size() * sizeof(T));
    return out;
}

}  // namespace

Weights assemble(const ModelConfig& config, Precision precision, WeightSource& source) {
    return Assembler(config, precision, source).assemble();
}

Weights pack_weights(const Checkpoint& checkpoint, Precision precision) {
    CheckpointSource source(checkpoint);
    return assemble(checkpoint.config, precision, source);
}

const Tensor& CheckpointSource::tensor(const std::string& name) const {
    const auto found = checkpoint_.tensors.find(name);
    if (found == checkpoint_.tensors.end())
        fail("{}: {} is missing: the model has no trained head; fine-tune it first (`moebert finetune`)",
             checkpoint_.directory.string(), name);
    return found->second;
}

// Results tell of other weights that they are none; bytes don't.
void CheckpointSource::check_finite(std::span<const float> weight, const std::string& name) const {
    const auto broken = std::ranges::find_if_not(weight, [](float value) { return std::isfinite(value); });
    if (broken == weight.end()) return;
    throw InputError(checkpoint_.directory, name, fmt::format("{}, where int8 expects finite numbers", *broken));
}

LinearWeights CheckpointSource::linear(const std::vector<std::string>& names, std::int64_t, std::int64_t,
                                       Precision precision) {
    std::vector<float> weight, bias;
    for (const auto& name : names) {
        const auto w = copy<float>(tensor(name + ".weight"));
        if (precision == Precision::int8) check_finite(w, name + ".weight");
        weight.insert(weight.end(), w.begin(), w.end());
        const auto b = copy<float>(tensor(name + ".bias"));
        bias.insert(bias.end(), b.begin(), b.end());
    }
    return pack(weight, bias, precision, arena_);
}

Values<float> CheckpointSource::floats(const std::string& name, std::int64_t) {
    return Values<float>::of(copy<float>(tensor(name)));
}

Values<std::int32_t> CheckpointSource::table(const std::string& name, std::int64_t) {
    const auto table = copy<std::int64_t>(tensor(name));
    return Values<std::int32_t>::of({table.begin(), table.end()});
}

}  // namespace moebert::engine
