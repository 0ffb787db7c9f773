#include "plain_bert.h"

#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cmath>

namespace moebert::bench {

PaddedBatch pad(std::span<const Feature> features, std::span<const std::int64_t> indices) {
    std::int64_t longest = 0;
    for (const auto i : indices)
        longest = std::max(longest, std::ssize(features[static_cast<std::size_t>(i)].input_ids));
    const auto zeros = [&] { return torch::zeros({std::ssize(indices), longest}, torch::kInt64); };
    PaddedBatch batch{zeros(), zeros(), zeros(), {}};
    std::vector<std::int64_t> labels;
    for (std::int64_t b = 0; b < std::ssize(indices); ++b) {
        const auto& f = features[static_cast<std::size_t>(indices[static_cast<std::size_t>(b)])];
        for (std::int64_t t = 0; t < std::ssize(f.input_ids); ++t) {
            const auto at = static_cast<std::size_t>(t);
            batch.input_ids[b].data_ptr<std::int64_t>()[t] = f.input_ids[at];
            batch.token_type_ids[b].data_ptr<std::int64_t>()[t] = f.token_type_ids[at];
            batch.attention_mask[b].data_ptr<std::int64_t>()[t] = 1;
        }
        if (f.span)
            labels.insert(labels.end(), f.span->begin(), f.span->end());
        else
            labels.push_back(static_cast<std::int64_t>(f.label.value_or(0)));
    }
    batch.labels = torch::tensor(labels).view({std::ssize(indices), -1}).squeeze(1);
    return batch;
}

namespace {

torch::Tensor layer_norm(const torch::Tensor& x, const LayerNorm& norm, double epsilon) {
    return torch::layer_norm(x.to(torch::kFloat32), {x.size(-1)}, norm.weight, norm.bias, epsilon);
}

struct PlainForward {
    const Model& model;
    const PaddedBatch& batch;
    bool training;

    torch::Tensor drop(const torch::Tensor& x, double p) const { return torch::dropout(x, p, training); }

    torch::Tensor attention(const EncoderLayer& layer, const torch::Tensor& x, const torch::Tensor& mask) const {
        const auto& c = model.config;
        const auto heads = [&](std::int64_t part) {
            const auto weight = layer.qkv.weight.narrow(0, part * c.hidden_size, c.hidden_size);
            const auto bias = layer.qkv.bias.narrow(0, part * c.hidden_size, c.hidden_size);
            return torch::linear(x, weight, bias)
                .view({x.size(0), x.size(1), c.num_attention_heads, c.head_size()})
                .transpose(1, 2);
        };
        auto scores = torch::matmul(heads(0), heads(1).transpose(2, 3)) / std::sqrt(static_cast<double>(c.head_size()));
        const auto probabilities = drop(torch::softmax(scores + mask, -1), c.attention_probs_dropout_prob);
        const auto context = torch::matmul(probabilities, heads(2)).transpose(1, 2).reshape(x.sizes());
        const auto out = torch::linear(context, layer.attention_output.weight, layer.attention_output.bias);
        return layer_norm(drop(out, c.hidden_dropout_prob) + x, layer.attention_norm, c.layer_norm_eps);
    }

    torch::Tensor expert(const FeedForward& f, const torch::Tensor& x) const {
        const auto a = torch::gelu(torch::linear(x, f.up.weight, f.up.bias));
        const auto out = drop(torch::linear(a, f.down.weight, f.down.bias), model.config.hidden_dropout_prob);
        return layer_norm(out + x, f.norm, model.config.layer_norm_eps);
    }

    // Every expert takes its tokens out of the batch and puts them back.
    torch::Tensor mixture(const EncoderLayer& layer, const torch::Tensor& x) const {
        const auto flat = x.reshape({-1, x.size(2)});
        const auto route = layer.router.hash_table.index_select(0, batch.input_ids.reshape({-1}));
        auto out = torch::zeros_like(flat);
        for (std::size_t e = 0; e < layer.experts.size(); ++e) {
            const auto rows = torch::nonzero(route == static_cast<std::int64_t>(e)).squeeze(1);
            out = out.index_add(0, rows, expert(layer.experts[e], flat.index_select(0, rows)));
        }
        return out.view(x.sizes());
    }

    torch::Tensor head_input(const torch::Tensor& x) const {
        if (model.config.problem_type == ProblemType::question_answering) return x;
        const auto pooled = torch::tanh(torch::linear(x.select(1, 0), model.pooler.weight, model.pooler.bias));
        return drop(pooled, model.config.hidden_dropout_prob);
    }

    PlainResult run() const {
        const auto& e = model.embeddings;
        const auto width = batch.input_ids.size(1);
        const auto mask = (1.0 - batch.attention_mask.to(torch::kFloat32)).view({-1, 1, 1, width}) * -10000.0;
        auto x = torch::embedding(e.word, batch.input_ids) + torch::embedding(e.position, torch::arange(width)) +
                 torch::embedding(e.token_type, batch.token_type_ids);
        x = drop(layer_norm(x, e.norm, model.config.layer_norm_eps), model.config.hidden_dropout_prob);
        PlainResult result;
        result.hidden_states.push_back(x);
        for (const auto& layer : model.layers) {
            x = attention(layer, x, mask);
            x = model.config.moe ? mixture(layer, x) : expert(layer.experts.front(), x);
            result.hidden_states.push_back(x);
        }
        result.logits = torch::linear(head_input(x), model.head.weight, model.head.bias);
        return result;
    }
};

}  // namespace

PlainResult plain_forward(const Model& model, const PaddedBatch& batch, const PlainOptions& options) {
    at::autocast::set_cpu_enabled(options.bf16);
    auto result = PlainForward{model, batch, options.training}.run();
    result.logits = result.logits.to(torch::kFloat32);
    at::autocast::clear_cache();
    at::autocast::set_cpu_enabled(false);
    return result;
}

std::vector<torch::Tensor> plain_parameters(Model& model) {
    std::vector<torch::Tensor> out;
    for (const auto& parameter : parameters(model)) out.push_back(*parameter.tensor);
    return out;
}

}  // namespace moebert::bench
