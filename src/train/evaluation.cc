#include "train/evaluation.h"

#include <algorithm>
#include <chrono>
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

void add_load(std::vector<std::vector<std::int64_t>>& sum, const std::vector<torch::Tensor>& load) {
    sum.resize(load.size());
    for (std::size_t k = 0; k < load.size(); ++k) {
        const auto host = load[k].cpu();
        sum[k].resize(static_cast<std::size_t>(host.numel()));
        for (std::size_t e = 0; e < sum[k].size(); ++e) sum[k][e] += host.data_ptr<std::int64_t>()[e];
    }
}

// Where each feature's rows of logits begin, and after them all: a row a feature, or for question answering a token.
std::vector<std::size_t> logit_rows(std::span<const Feature> features, ProblemType problem_type) {
    std::vector<std::size_t> starts{0};
    for (const auto& feature : features)
        starts.push_back(starts.back() +
                         (problem_type == ProblemType::question_answering ? feature.input_ids.size() : 1));
    return starts;
}

void store(const torch::Tensor& logits, std::span<const std::int64_t> indices, std::span<const std::size_t> rows,
           std::vector<float>& out) {
    const auto host = logits.to(torch::kFloat32).cpu().contiguous();
    const auto width = static_cast<std::size_t>(host.size(1));
    const float* from = host.data_ptr<float>();
    for (const auto index : indices) {
        const auto i = static_cast<std::size_t>(index);
        const auto count = (rows[i + 1] - rows[i]) * width;
        std::copy_n(from, count, out.data() + rows[i] * width);
        from += count;
    }
}

}  // namespace

EvaluationResult run_model(const Model& model, std::span<const Feature> features, const EvaluationOptions& options,
                           const Sink& sink) {
    torch::InferenceMode inference;
    EvaluationResult result;
    const auto rows = logit_rows(features, model.config.problem_type);
    result.logits.resize(rows.back() * static_cast<std::size_t>(model.config.num_labels()));
    const auto order = by_length(features);
    const auto start = std::chrono::steady_clock::now();
    ForwardOptions forward_options;
    forward_options.dtype = options.dtype;
    for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(options.batch_size)) {
        const auto indices = std::span(order).subspan(
            first, std::min(static_cast<std::size_t>(options.batch_size), order.size() - first));
        const auto batch = make_batch(features, indices, model.config.problem_type);
        const auto output = forward(model, batch, forward_options);
        store(output.logits, indices, rows, result.logits);
        add_load(result.expert_load, output.expert_load);
        result.tokens += batch.layout->rows();
        sink.progress(
            {"evaluating", static_cast<double>(first + indices.size()), static_cast<double>(order.size()), ""});
    }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace moebert
