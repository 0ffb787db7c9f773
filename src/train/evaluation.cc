#include "train/evaluation.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "core/error.h"
#include "tasks/predictions.h"
#include "train/losses.h"

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

void add_load(std::vector<std::vector<std::int64_t>>& sum, const std::vector<torch::Tensor>& load) {
    sum.resize(load.size());
    for (std::size_t k = 0; k < load.size(); ++k) {
        const auto host = load[k].cpu();
        sum[k].resize(static_cast<std::size_t>(host.numel()));
        for (std::size_t e = 0; e < sum[k].size(); ++e) sum[k][e] += host.data_ptr<std::int64_t>()[e];
    }
}

void store(const torch::Tensor& logits, std::span<const std::int64_t> indices, std::vector<float>& out) {
    const auto host = logits.to(torch::kFloat32).cpu().contiguous();
    const auto width = static_cast<std::size_t>(host.size(1));
    for (std::size_t i = 0; i < indices.size(); ++i)
        std::copy_n(host.data_ptr<float>() + i * width, width,
                    out.data() + static_cast<std::size_t>(indices[i]) * width);
}

}  // namespace

EvaluationResult run_model(const Model& model, std::span<const Feature> features, const EvaluationOptions& options,
                           const Sink& sink) {
    torch::InferenceMode inference;
    EvaluationResult result;
    result.logits.resize(features.size() * static_cast<std::size_t>(model.config.num_labels()));
    const auto order = by_length(features);
    const auto start = std::chrono::steady_clock::now();
    double loss = 0.0;
    ForwardOptions forward_options;
    forward_options.dtype = options.dtype;
    for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(options.batch_size)) {
        const auto indices = std::span(order).subspan(
            first, std::min(static_cast<std::size_t>(options.batch_size), order.size() - first));
        const auto batch = make_batch(features, indices, model.config.problem_type);
        const auto output = forward(model, batch, forward_options);
        store(output.logits, indices, result.logits);
        add_load(result.expert_load, output.expert_load);
        if (batch.labels.defined())
            loss += task_losses(model.config.problem_type, output.logits, batch).sum().item<double>();
        result.tokens += batch.layout->rows();
        sink.progress(
            {"evaluating", static_cast<double>(first + indices.size()), static_cast<double>(order.size()), ""});
    }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    result.loss = features.empty() ? 0.0 : loss / static_cast<double>(features.size());
    return result;
}

Labels labels_of(const ModelConfig& config) { return {config.problem_type, config.label_names}; }

Metrics score(const EvaluationResult& result, std::span<const Feature> features, const Labels& labels,
              const std::vector<std::string>& metric_names) {
    std::vector<double> expected;
    for (const auto& feature : features) {
        if (!feature.label) fail("evaluation needs labels; `moebert predict` does without");
        expected.push_back(*feature.label);
    }
    auto metrics = compute_metrics(metric_names, decide(labels, result.logits), expected);
    metrics.emplace_back("loss", result.loss);
    return metrics;
}

Metrics evaluate(const Model& model, std::span<const Feature> features, const std::vector<std::string>& metric_names,
                 const EvaluationOptions& options, const Sink& sink) {
    return score(run_model(model, features, options, sink), features, labels_of(model.config), metric_names);
}

}  // namespace moebert
