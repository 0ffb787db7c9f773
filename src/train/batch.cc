#include "train/batch.h"

#include <algorithm>

namespace moebert {

BatchLayout make_layout(std::vector<std::int64_t> row_starts, std::vector<std::int64_t> key_lengths) {
    BatchLayout layout{std::move(row_starts), std::move(key_lengths), {}, {}};
    const auto sentences = layout.sentences();
    layout.first_rows =
        torch::tensor(at::ArrayRef<std::int64_t>(layout.row_starts.data(), static_cast<std::size_t>(sentences)));
    layout.sentence_of_row = torch::empty({layout.rows()}, torch::kInt64);
    auto* sentence = layout.sentence_of_row.data_ptr<std::int64_t>();
    for (std::int64_t b = 0; b < sentences; ++b)
        std::fill(sentence + layout.row_starts[b], sentence + layout.row_starts[b + 1], b);
    return layout;
}

namespace {

torch::Tensor make_labels(const std::vector<double>& labels, ProblemType problem_type) {
    const auto values = torch::tensor(labels, torch::kFloat64);
    return values.to(problem_type == ProblemType::regression ? torch::kFloat32 : torch::kInt64);
}

}  // namespace

Batch make_batch(std::span<const Feature> features, std::span<const std::int64_t> indices, ProblemType problem_type,
                 torch::Device device) {
    std::vector<std::int64_t> ids, types, positions, starts{0}, lengths, answer_starts, answer_ends;
    std::vector<double> labels;
    for (const auto index : indices) {
        const auto& feature = features[static_cast<std::size_t>(index)];
        ids.insert(ids.end(), feature.input_ids.begin(), feature.input_ids.end());
        types.insert(types.end(), feature.token_type_ids.begin(), feature.token_type_ids.end());
        for (std::int64_t i = 0; i < std::ssize(feature.input_ids); ++i) positions.push_back(i);
        lengths.push_back(std::ssize(feature.input_ids));
        starts.push_back(std::ssize(ids));
        if (feature.label) labels.push_back(*feature.label);
        if (feature.span) {
            answer_starts.push_back((*feature.span)[0]);
            answer_ends.push_back((*feature.span)[1]);
        }
    }
    Batch batch;
    batch.layout = std::make_shared<const BatchLayout>(make_layout(std::move(starts), std::move(lengths)));
    batch.input_ids = torch::tensor(ids);
    batch.token_type_ids = torch::tensor(types);
    batch.position_ids = torch::tensor(positions);
    const bool has_spans = problem_type == ProblemType::question_answering;
    if (!has_spans && labels.size() == indices.size()) batch.labels = make_labels(labels, problem_type);
    if (has_spans && answer_starts.size() == indices.size()) {
        batch.start_positions = torch::tensor(answer_starts);
        batch.end_positions = torch::tensor(answer_ends);
    }
    for (auto* tensor : {&batch.input_ids, &batch.token_type_ids, &batch.position_ids, &batch.labels,
                         &batch.start_positions, &batch.end_positions})
        if (tensor->defined()) *tensor = tensor->to(device);
    return batch;
}

Batch make_padded_batch(const torch::Tensor& input_ids, const torch::Tensor& attention_mask,
                        const torch::Tensor& token_type_ids) {
    const auto sentences = input_ids.size(0), width = input_ids.size(1);
    std::vector<std::int64_t> starts{0}, lengths;
    for (std::int64_t b = 0; b < sentences; ++b) {
        starts.push_back((b + 1) * width);
        lengths.push_back(attention_mask[b].sum().item<std::int64_t>());
    }
    Batch batch;
    batch.layout = std::make_shared<const BatchLayout>(make_layout(std::move(starts), std::move(lengths)));
    batch.input_ids = input_ids.reshape({-1});
    batch.token_type_ids = token_type_ids.reshape({-1});
    batch.position_ids = torch::arange(width, torch::kInt64).repeat({sentences});
    return batch;
}

}  // namespace moebert
