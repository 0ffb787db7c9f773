#include "train/importance_pass.h"

#include <numeric>

#include "core/error.h"
#include "train/kernels.h"
#include "train/losses.h"

namespace moebert {
namespace {

void add_plain(const torch::Tensor& d_z, const torch::Tensor& z, const torch::Tensor& bias, const torch::Tensor& d_a,
               const torch::Tensor& a, const BatchLayout& layout, torch::Tensor scores) {
    const auto terms = (d_z * (z - bias) + d_a * a).to(torch::kFloat64);
    const auto sums =
        torch::zeros({layout.sentences(), terms.size(1)}, terms.options()).index_add(0, layout.sentence_of_row, terms);
    scores += sums.abs().sum(0).to(scores.device());
}

// The last layer's rows, where only the first one of each sentence was computed: no other has a gradient.
BatchLayout one_row_each(const BatchLayout& layout) {
    std::vector<std::int64_t> starts(static_cast<std::size_t>(layout.sentences()) + 1);
    std::iota(starts.begin(), starts.end(), 0);
    return make_layout(std::move(starts), std::vector<std::int64_t>(static_cast<std::size_t>(layout.sentences()), 1),
                       layout.first_rows.device());
}

void add(const torch::Tensor& d_z, const torch::Tensor& z, const torch::Tensor& bias, const torch::Tensor& d_a,
         const torch::Tensor& a, const BatchLayout& layout, torch::Tensor scores) {
    if (z.size(0) != layout.rows()) return add(d_z, z, bias, d_a, a, one_row_each(layout), scores);
    if (!z.device().is_cpu()) return add_plain(d_z, z, bias, d_a, a, layout, scores);
    const auto plain = [](const torch::Tensor& t) { return t.to(torch::kFloat32).contiguous(); };
    const auto dz = plain(d_z), zf = plain(z), da = plain(d_a), af = plain(a), b = plain(bias);
    kernels::accumulate_importance(dz.data_ptr<float>(), zf.data_ptr<float>(), b.data_ptr<float>(),
                                   da.data_ptr<float>(), af.data_ptr<float>(), layout.row_starts, z.size(1),
                                   scores.data_ptr<double>());
}

}  // namespace

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
            add(grad, value, bias, *d_a, activated, *batch.layout, scores[k]);
        });
    };
    ForwardOptions options;
    options.dtype = dtype;
    options.observer = &observer;
    const auto result = forward(model, batch, options);
    task_losses(model.config.problem_type, result.logits, batch).sum().backward();
}

}  // namespace moebert
