// The forward pass of model.h.
#include "core/random.h"
#include "train/model.h"

namespace moebert {
namespace {

class Pass {
public:
    Pass(const Model& model, const Batch& batch, const ForwardOptions& options)
        : model_(model), batch_(batch), options_(options) {}

    ForwardResult run() {
        auto x = embed();
        keep(x);
        for (std::size_t k = 0; k < model_.layers.size(); ++k) {
            const bool only_first = k + 1 == model_.layers.size() && needs_only_first_rows();
            x = feed_forward_block(k, attention_block(model_.layers[k], x, only_first));
            keep(x);
        }
        result_.logits = head(x);
        if (!mean_probability_.empty()) result_.balance_loss = balance_loss();
        return std::move(result_);
    }

private:
    // A dropout of its own for every place in the network: `site` counts them.
    Dropout next_dropout(double p) {
        return {options_.training ? static_cast<float>(p) : 0.0F, random_key(options_.dropout_key, site_++)};
    }

    double hidden_dropout() const { return options_.dropout.value_or(model_.config.hidden_dropout_prob); }
    double classifier_dropout() const {
        return options_.dropout.value_or(model_.config.classifier_dropout.value_or(model_.config.hidden_dropout_prob));
    }

    // A sentence's logits come from its first row: the last layer of a dense model then computes no other after
    // attention.
    bool needs_only_first_rows() const {
        return !model_.config.moe && !options_.hidden_states &&
               model_.config.problem_type != ProblemType::question_answering;
    }

    torch::Tensor first_rows(const torch::Tensor& x) const { return x.index_select(0, batch_.layout->first_rows); }

    void keep(const torch::Tensor& x) {
        if (options_.hidden_states) result_.hidden_states.push_back(x);
    }

    torch::Tensor embed() {
        const auto& e = model_.embeddings;
        // A batch has few of the vocabulary's tokens, so that the gradient is sparse.
        // Padding's row gets no gradient, as in other implementations; it matters in batches padded on purpose only.
        const auto words = at::embedding(e.word, batch_.input_ids, model_.config.pad_token_id,
                                         /*scale_grad_by_freq=*/false, /*sparse=*/true);
        const auto places =
            at::embedding(e.position, batch_.position_ids) + at::embedding(e.token_type, batch_.token_type_ids);
        const auto normed = add_norm(words, places, e.norm, model_.config.layer_norm_eps, {});
        return dropout(normed, next_dropout(hidden_dropout()));
    }

    torch::Tensor attention_block(const EncoderLayer& layer, const torch::Tensor& x, bool only_first) {
        const Heads heads{model_.config.num_attention_heads, model_.config.head_size()};
        // The kernel of a GPU takes half precision.
        const auto qkv = linear(x, layer.qkv, options_.dtype, x.device().is_cpu() ? torch::kFloat32 : options_.dtype);
        auto context = attention(qkv, batch_.layout, heads,
                                 next_dropout(options_.dropout.value_or(model_.config.attention_probs_dropout_prob)));
        if (only_first) context = first_rows(context);
        return add_norm(linear(context, layer.attention_output, options_.dtype), only_first ? first_rows(x) : x,
                        layer.attention_norm, model_.config.layer_norm_eps, next_dropout(hidden_dropout()));
    }

    torch::Tensor feed_forward_block(std::size_t k, const torch::Tensor& x) {
        const auto& layer = model_.layers[k];
        const double p = model_.config.moe ? model_.config.moe->expert_dropout : hidden_dropout();
        const FeedForwardSetting setting{model_.config.hidden_act, model_.config.layer_norm_eps, options_.dtype,
                                         next_dropout(p)};
        if (!model_.config.moe) return feed_forward(layer.experts.front(), x, setting, observer(k));
        const auto routing = route(layer.router, model_.config.moe->num_experts, x, batch_);
        result_.expert_load.push_back(routing.load);
        if (routing.mean_probability.defined()) mean_probability_.push_back(routing.mean_probability);
        return apply_experts(layer.experts, routing, x, setting);
    }

    torch::Tensor balance_loss() const {
        const auto load = torch::stack(result_.expert_load);
        const auto own = load[0].sum().item<double>();  // every layer routes the same number of tokens (sentences)
        if (options_.sum_load) options_.sum_load(load);
        const auto all = load[0].sum().item<double>();
        const double scale = static_cast<double>(load.size(1)) * (own / all) / all;
        return scale * (torch::stack(mean_probability_) * load.to(torch::kFloat32)).sum();
    }

    ActivationObserver observer(std::size_t k) const {
        if (!options_.observer) return {};
        const auto& bias = model_.layers[k].experts.front().up.bias;
        return [this, k, &bias](const torch::Tensor& z, const torch::Tensor& a) {
            (*options_.observer)(static_cast<std::int64_t>(k), z, a, bias);
        };
    }

    torch::Tensor head(const torch::Tensor& x) {
        if (model_.config.problem_type == ProblemType::question_answering)
            return linear(x, model_.head, torch::kFloat32);
        const auto first = x.size(0) == batch_.layout->sentences() ? x : first_rows(x);
        const auto pooled = at::tanh(linear(first, model_.pooler, torch::kFloat32));
        return linear(dropout(pooled, next_dropout(classifier_dropout())), model_.head, torch::kFloat32);
    }

    const Model& model_;
    const Batch& batch_;
    const ForwardOptions& options_;
    ForwardResult result_;
    std::vector<torch::Tensor> mean_probability_;  // of every layer with gates
    std::uint64_t site_ = 0;
};

}  // namespace

ForwardResult forward(const Model& model, const Batch& batch, const ForwardOptions& options) {
    return Pass(model, batch, options).run();
}

}  // namespace moebert
