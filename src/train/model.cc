#include "train/model.h"

#include <cstring>

#include "core/error.h"
#include "core/random.h"

namespace moebert {

bool Parameter::decays() const {
    const auto& name = names.front();
    return name.find("bias") == std::string::npos && name.find("LayerNorm.weight") == std::string::npos;
}

namespace {

void add(std::vector<Parameter>& out, const std::string& prefix, Linear& layer) {
    out.push_back({{prefix + ".weight"}, &layer.weight});
    out.push_back({{prefix + ".bias"}, &layer.bias});
}

void add(std::vector<Parameter>& out, const std::string& prefix, LayerNorm& norm) {
    out.push_back({{prefix + ".weight"}, &norm.weight});
    out.push_back({{prefix + ".bias"}, &norm.bias});
}

std::vector<std::string> qkv_names(const std::string& layer, const std::string& what) {
    return {layer + "attention.self.query" + what, layer + "attention.self.key" + what,
            layer + "attention.self.value" + what};
}

void add_layer(std::vector<Parameter>& out, const std::string& prefix, EncoderLayer& layer, bool moe) {
    out.push_back({qkv_names(prefix, ".weight"), &layer.qkv.weight});
    out.push_back({qkv_names(prefix, ".bias"), &layer.qkv.bias});
    add(out, prefix + "attention.output.dense", layer.attention_output);
    add(out, prefix + "attention.output.LayerNorm", layer.attention_norm);
    for (std::size_t e = 0; e < layer.experts.size(); ++e) {
        const auto expert = fmt::format("{}experts.experts.{}.", prefix, e);
        add(out, moe ? expert + "fc1" : prefix + "intermediate.dense", layer.experts[e].up);
        add(out, moe ? expert + "fc2" : prefix + "output.dense", layer.experts[e].down);
        add(out, moe ? expert + "LayerNorm" : prefix + "output.LayerNorm", layer.experts[e].norm);
    }
    if (moe && is_gated(layer.router.method)) out.push_back({{prefix + "experts.gate.weight"}, &layer.router.gate});
}

std::string layer_prefix(std::size_t k) { return fmt::format("bert.encoder.layer.{}.", k); }

}  // namespace

std::vector<Parameter> parameters(Model& model) {
    std::vector<Parameter> out;
    out.push_back({{"bert.embeddings.word_embeddings.weight"}, &model.embeddings.word});
    out.push_back({{"bert.embeddings.position_embeddings.weight"}, &model.embeddings.position});
    out.push_back({{"bert.embeddings.token_type_embeddings.weight"}, &model.embeddings.token_type});
    add(out, "bert.embeddings.LayerNorm", model.embeddings.norm);
    for (std::size_t k = 0; k < model.layers.size(); ++k)
        add_layer(out, layer_prefix(k), model.layers[k], model.config.moe.has_value());
    const bool spans = model.config.problem_type == ProblemType::question_answering;
    if (!spans) add(out, "bert.pooler.dense", model.pooler);
    add(out, spans ? "qa_outputs" : "classifier", model.head);
    return out;
}

torch::Tensor to_torch(const Tensor& tensor) {
    const auto dtype = tensor.dtype == DType::i64 ? torch::kInt64 : torch::kFloat32;
    if (tensor.dtype != DType::i64 && tensor.dtype != DType::f32)
        fail("a {} tensor; expected F32 or I64", dtype_name(tensor.dtype));
    auto copy = torch::empty(tensor.shape, dtype);
    std::memcpy(copy.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
    return copy;
}

Tensor from_torch(const torch::Tensor& tensor) {
    // Tensors' memory is kept and used again, so that of one checkpoint serves the next.
    const auto own = std::make_shared<torch::Tensor>(torch::empty_like(
        tensor, tensor.options().device(torch::kCPU).requires_grad(false), torch::MemoryFormat::Contiguous));
    own->copy_(tensor.detach());
    const Shape shape(own->sizes().begin(), own->sizes().end());
    const auto tensor_of = [&](DType dtype, const void* data) {
        return Tensor{dtype, shape, {static_cast<const std::byte*>(data), own->nbytes()}, own};
    };
    // data_ptr() refuses another type.
    if (own->scalar_type() == torch::kInt64) return tensor_of(DType::i64, own->data_ptr<std::int64_t>());
    return tensor_of(DType::f32, own->data_ptr<float>());
}

namespace {

class Loader {
public:
    Loader(const Checkpoint& checkpoint, std::uint64_t seed) : checkpoint_(checkpoint), engine_(random_key(seed, 3)) {
        for (auto& spec : tensor_table(checkpoint.config)) shapes_[spec.name] = spec.shape;
    }

    // The stack of the named tensors.
    torch::Tensor load(const std::vector<std::string>& names) {
        if (names.size() == 1) return load(names.front());
        std::vector<torch::Tensor> parts;
        for (const auto& name : names) parts.push_back(load(name));
        return torch::cat(parts);
    }

private:
    torch::Tensor load(const std::string& name) {
        const auto found = checkpoint_.tensors.find(name);
        if (found != checkpoint_.tensors.end()) return to_torch(found->second);
        return initialise(shapes_.at(name));
    }

    // Box-Muller: the same numbers on every platform.
    torch::Tensor initialise(const Shape& shape) {
        auto tensor = torch::zeros(shape);
        if (shape.size() < 2) return tensor;
        auto* values = tensor.data_ptr<float>();
        for (std::int64_t i = 0; i < tensor.numel(); ++i) {
            const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform_real(engine_)));
            values[i] = static_cast<float>(checkpoint_.config.initializer_range * radius *
                                           std::cos(2.0 * 3.14159265358979323846 * uniform_real(engine_)));
        }
        return tensor;
    }

    const Checkpoint& checkpoint_;
    RandomEngine engine_;
    std::map<std::string, Shape> shapes_;
};

void load_router(const Checkpoint& checkpoint, std::size_t k, Router& router) {
    router.method = checkpoint.config.moe->route_method;
    if (!is_gated(router.method))
        router.hash_table = to_torch(checkpoint.tensors.at(layer_prefix(k) + "experts.hash_list"));
}

}  // namespace

Model load_model(const Checkpoint& checkpoint, std::uint64_t seed, bool requires_grad, torch::Device device) {
    Model model;
    model.config = checkpoint.config;
    model.layers.resize(static_cast<std::size_t>(model.config.num_hidden_layers));
    for (std::size_t k = 0; k < model.layers.size(); ++k) {
        model.layers[k].experts.resize(model.config.moe ? static_cast<std::size_t>(model.config.moe->num_experts) : 1);
        auto& router = model.layers[k].router;
        if (model.config.moe) load_router(checkpoint, k, router);
        if (router.hash_table.defined()) router.hash_table = router.hash_table.to(device);
    }
    Loader loader(checkpoint, seed);
    for (auto& parameter : parameters(model))
        *parameter.tensor = loader.load(parameter.names).to(device).set_requires_grad(requires_grad);
    return model;
}

void freeze_weights(Model& model, torch::ScalarType dtype) {
    for (auto& layer : model.layers) {
        layer.qkv = frozen(layer.qkv, dtype);
        layer.attention_output = frozen(layer.attention_output, dtype);
        for (auto& expert : layer.experts) {
            expert.up = frozen(expert.up, dtype);
            expert.down = frozen(expert.down, dtype);
        }
    }
}

TensorMap model_tensors(Model& model) {
    TensorMap tensors;
    for (const auto& parameter : parameters(model)) {
        const auto parts = parameter.tensor->detach().chunk(static_cast<std::int64_t>(parameter.names.size()), 0);
        for (std::size_t i = 0; i < parameter.names.size(); ++i) tensors[parameter.names[i]] = from_torch(parts[i]);
    }
    for (std::size_t k = 0; k < model.layers.size(); ++k)
        if (model.layers[k].router.hash_table.defined())
            tensors[layer_prefix(k) + "experts.hash_list"] = from_torch(model.layers[k].router.hash_table);
    return tensors;
}

void save_model(Model& model, const std::filesystem::path& directory, const TokenizerSource& tokenizer_source) {
    save_checkpoint(directory, model.config, model_tensors(model), tokenizer_source);
}

}  // namespace moebert
