#include "train/evaluation.h"

#include <algorithm>
#include <numeric>

namespace moebert {
namespace {

std::vector<std::int64_t> by_length(std::span<const Feature> features) {
    std::vector<std::int64_t> order(features.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
        return features[static_cast<std::size_t>(a)].input_ids.size() <
               features[static_cast<std::size_t>(b)].input_ids.size();
    });
    return order;
}

// starts: logit_starts of all features.
void store(const torch::Tensor& logits, std::span<const std::int64_t> indices, std::span<const std::size_t> starts,
           std::vector<float>& out) {
    const auto host = logits.to(torch::kFloat32).cpu().contiguous();
    const float* from = host.data_ptr<float>();
    for (const auto index : indices) {
        const auto i = static_cast<std::size_t>(index);
        const auto count = starts[i + 1] - starts[i];
        std::copy_n(from, count, out.data() + starts[i]);
        from += count;
    }
}

void add_up(EvaluationResult& result, const Processes& processes) {
    processes.sum(torch::from_blob(result.logits.data(), {std::ssize(result.logits)}));
    const auto tokens = torch::tensor({result.tokens});
    processes.sum(tokens);
    result.tokens = tokens.item<std::int64_t>();
    for (auto& layer : result.expert_load)
        processes.sum(torch::from_blob(layer.data(), {std::ssize(layer)}, torch::kInt64));
}

}  // namespace

EvaluationResult run_model(const Model& model, std::span<const Feature> features, const EvaluationOptions& options,
                           const Sink& sink) {
    torch::InferenceMode inference;
    EvaluationResult result;
    result.expert_load = no_load(model.config);
    const auto starts = logit_starts(features, model.config);
    result.logits.resize(starts.back());
    const auto order = by_length(features);
    ForwardOptions forward_options;
    forward_options.dtype = options.dtype;
    const auto& processes = options.processes ? *options.processes : alone();
    std::int64_t batches = 0;
    for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(options.batch_size)) {
        if (batches++ % processes.size() != processes.rank()) continue;
        const auto indices = std::span(order).subspan(
            first, std::min(static_cast<std::size_t>(options.batch_size), order.size() - first));
        const auto batch = make_batch(features, indices, model.config.problem_type, model.device());
        const auto output = forward(model, batch, forward_options);
        store(output.logits, indices, starts, result.logits);
        add_load(result.expert_load, output.expert_load);
        result.tokens += batch.layout->rows();
        sink.progress(
            {"evaluating", static_cast<double>(first + indices.size()), static_cast<double>(order.size()), ""});
    }
    if (processes.size() > 1) add_up(result, processes);
    return result;
}

}  // namespace moebert
