#include <cmath>

#include "cases.h"
#include "core/error.h"
#include "plain_bert.h"
#include "timing.h"
#include "train/importance_pass.h"
#include "train/losses.h"
#include "workload.h"

namespace moebert::bench {
namespace {

// For one tensor the products of weight and gradient, summed to a neuron each.
torch::Tensor row_products(const torch::Tensor& weight, const torch::Tensor& grad) { return (weight * grad).sum(1); }
torch::Tensor column_products(const torch::Tensor& weight, const torch::Tensor& grad) { return (weight * grad).sum(0); }

// The authors' way: the whole batch's graph, and for every layer and example one backward pass of that example's loss
// for W1 and one for W2. `layers` of the model's are done, counted from the last one.
torch::Tensor authors_way(const Model& model, const PaddedBatch& batch, std::int64_t layers) {
    const auto result = plain_forward(model, batch, {false, false});
    const auto losses = torch::cross_entropy_loss(result.logits, batch.labels, {}, at::Reduction::None);
    const auto all = std::ssize(model.layers);
    auto scores = torch::zeros({all, model.config.intermediate_size}, torch::kFloat64);
    for (std::int64_t k = all - layers; k < all; ++k)
        for (std::int64_t b = 0; b < losses.size(0); ++b) {
            const auto& f = model.layers[static_cast<std::size_t>(k)].experts.front();
            const auto g1 = torch::autograd::grad({losses[b]}, {f.up.weight}, {}, true)[0];
            const auto g2 = torch::autograd::grad({losses[b]}, {f.down.weight}, {}, true)[0];
            scores[k] += (row_products(f.up.weight.detach(), g1) + column_products(f.down.weight.detach(), g2))
                             .abs()
                             .to(torch::kFloat64);
        }
    return scores;
}

// One forward and one backward pass in which no weight has a gradient: what importance can't be much faster than.
void forward_and_backward(const Model& model, const Batch& batch) {
    const FeedForwardObserver nothing = [](auto, const auto&, const auto&, const auto&) {};
    ForwardOptions options;
    options.observer = &nothing;
    torch::AutoGradMode with_grad(true);
    const auto result = forward(model, batch, options);
    task_losses(ProblemType::classification, result.logits, batch).sum().backward();
}

torch::Tensor one_pass(const Model& model, const Batch& batch) {
    auto scores = torch::zeros({model.config.num_hidden_layers, model.config.intermediate_size}, torch::kFloat64);
    accumulate_importance(model, batch, torch::kFloat32, scores);
    return scores;
}

double relative_difference(const torch::Tensor& a, const torch::Tensor& b) {
    return ((a - b).abs() / b.abs().clamp_min(b.abs().max().item<double>() * 1e-3)).max().item<double>();
}

void freeze(Model& model) {
    for (auto& parameter : parameters(model)) parameter.tensor->set_requires_grad(false);
}

}  // namespace

nlohmann::json importance_case(const nlohmann::json& settings, const std::filesystem::path& data) {
    const std::int64_t size = settings.at("batch"), repetitions = settings.value("repetitions", 3);
    const auto features = workload(settings.at("text"), data, 64);
    const auto checkpoint = random_checkpoint(settings.at("shape"), ProblemType::classification, false);
    auto reference = load_model(checkpoint, 0, true);
    auto model = load_model(checkpoint);
    freeze(model);
    const auto batches = mixed_batches(features, size);
    const auto& indices = batches.front();
    const auto padded = pad(features, indices);
    const auto packed = make_batch(features, indices, ProblemType::classification);

    torch::Tensor theirs, ours;
    std::vector<PaddedBatch> alone;
    for (const auto i : indices) alone.push_back(pad(features, std::vector<std::int64_t>{i}));
    const auto layers = std::ssize(reference.layers);
    std::vector<Variant> slow{{"authors' way", [&] { theirs = authors_way(reference, padded, layers); }},
                              {"authors' way, one at a time", [&] {
                                   for (const auto& one : alone) authors_way(reference, one, layers);
                               }}};
    measure(slow, 1, false);
    std::vector<Variant> fast{{"one pass", [&] { ours = one_pass(model, packed); }},
                              {"forward and backward", [&] { forward_and_backward(model, packed); }},
                              {"one pass, batches of 32", [&] {
                                   for (const auto& b : mixed_batches(features, 32))
                                       one_pass(model, make_batch(features, b, ProblemType::classification));
                               }}};
    measure(fast, static_cast<int>(repetitions));
    const double an_example = median(fast[0].seconds) / static_cast<double>(size);
    return {{"tokens", packed.layout->rows()},
            {"padded_tokens", padded.input_ids.numel()},
            {"seconds_an_example", an_example},
            {"seconds_an_example_in_batches_of_32", median(fast[2].seconds) / static_cast<double>(features.size())},
            {"authors_seconds_an_example", slow[0].seconds[0] / static_cast<double>(size)},
            {"authors_seconds_an_example_alone", slow[1].seconds[0] / static_cast<double>(size)},
            {"speedup", slow[0].seconds[0] / static_cast<double>(size) / an_example},
            {"speedup_against_one_at_a_time", slow[1].seconds[0] / static_cast<double>(size) / an_example},
            {"time_by_forward_and_backward", speedup(fast[1], fast[0])},
            {"largest_relative_difference", relative_difference(ours, theirs)}};
}

}  // namespace moebert::bench
