#include "train/importance_pass.h"

#include <numeric>

#include "core/error.h"
#include "train/kernels.h"
#include "train/losses.h"

namespace moebert {
namespace {

// The last layer's rows, where only the first one of each sentence was computed: no other has a gradient.
BatchLayout one_row_each(const BatchLayout& layout) {
    std::vector<std::int64_t> starts(static_cast<std::size_t>(layout.sentences()) + 1);
    std::iota(starts.begin(), starts.end(), 0);
    return make_layout(std::move(starts), std::vector<std::int64_t>(static_cast<std::size_t>(layout.sentences()), 1),
                       layout.first_rows.device());
}

}  // namespace

void add_scores_plain(const LayerValues& v, const BatchLayout& layout, torch::Tensor scores) {
    const auto terms = (v.d_z * (v.z - v.bias) + v.d_a * v.a).to(torch::kFloat64);
    const auto sums =
        torch::zeros({layout.sentences(), terms.size(1)}, terms.options()).index_add(0, layout.sentence_of_row, terms);
    scores += sums.abs().sum(0).to(scores.device());
}

void add_scores(const LayerValues& v, const BatchLayout& layout, torch::Tensor scores) {
    if (v.z.size(0) != layout.rows()) return add_scores(v, one_row_each(layout), scores);
    if (!v.z.device().is_cpu()) return add_scores_plain(v, layout, scores);
    const auto plain = [](const torch::Tensor& t) { return t.to(torch::kFloat32).contiguous(); };
    const auto d_z = plain(v.d_z), z = plain(v.z), d_a = plain(v.d_a), a = plain(v.a), bias = plain(v.bias);
    kernels::accumulate_importance(d_z.data_ptr<float>(), z.data_ptr<float>(), bias.data_ptr<float>(),
                                   d_a.data_ptr<float>(), a.data_ptr<float>(), layout.row_starts, z.size(1),
                                   scores.data_ptr<double>());
}

void accumulate_importance(const Model& model, const Batch& batch, torch::ScalarType dtype, torch::Tensor& scores) {
    if (model.config.moe) fail("importance: the model is a mixture of experts already; a dense one is needed");
    torch::AutoGradMode with_grad(true);
    // The gradient of a comes first on the way back, then that of z, which is where both meet.
    const FeedForwardObserver observer = [&](std::int64_t k, const torch::Tensor& z, const torch::Tensor& a,
                                             const torch::Tensor& bias) {
        auto d_a = std::make_shared<torch::Tensor>();
        a.register_hook([d_a](torch::Tensor grad) { *d_a = grad; });
        z.register_hook([&, k, d_a, value = z.detach(), activated = a.detach(), bias](torch::Tensor grad) {
            torch::NoGradGuard no_grad;
            add_scores({grad, value, bias, *d_a, activated}, *batch.layout, scores[k]);
        });
    };
    ForwardOptions options;
    options.dtype = dtype;
    options.observer = &observer;
    const auto result = forward(model, batch, options);
    task_losses(model.config.problem_type, result.logits, batch).sum().backward();
}

}  // namespace moebert
