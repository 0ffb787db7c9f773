#include "train/batch.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace moebert {

BatchLayout make_layout(std::vector<std::int64_t> row_starts, std::vector<std::int64_t> key_lengths,
                        torch::Device device) {
    BatchLayout layout;
    layout.row_starts = std::move(row_starts);
    layout.key_lengths = std::move(key_lengths);
    const auto sentences = static_cast<std::size_t>(layout.sentences());
    for (std::size_t b = 0; b < sentences; ++b)
        layout.longest = std::max(layout.longest, layout.row_starts[b + 1] - layout.row_starts[b]);
    std::vector<std::int64_t> sentence_of_row, slot_of_row, row_of_slot;
    const auto slots = layout.longest * layout.sentences();
    auto has_row = torch::zeros({slots, 1}, torch::kBool);
    auto key_bias = torch::zeros({layout.sentences(), layout.longest});
    for (std::size_t b = 0; b < sentences; ++b) {
        const auto first = layout.row_starts[b], rows = layout.row_starts[b + 1] - first;
        for (std::int64_t place = 0; place < layout.longest; ++place) {
            const auto slot = std::ssize(row_of_slot);
            if (place >= layout.key_lengths[b]) key_bias.data_ptr<float>()[slot] = -INFINITY;
            row_of_slot.push_back(first + std::min(place, rows - 1));
            if (place >= rows) continue;
            has_row.data_ptr<bool>()[slot] = true;
            sentence_of_row.push_back(static_cast<std::int64_t>(b));
            slot_of_row.push_back(slot);
        }
    }
    const auto there = [&](const std::vector<std::int64_t>& values) { return torch::tensor(values).to(device); };
    layout.first_rows = there({layout.row_starts.begin(), layout.row_starts.end() - 1});
    layout.sentence_of_row = there(sentence_of_row);
    layout.padded = {there(row_of_slot), there(slot_of_row), has_row.to(device)};
    const bool all_are_keys =
        std::accumulate(layout.key_lengths.begin(), layout.key_lengths.end(), std::int64_t{0}) == slots;
    if (!all_are_keys) layout.key_bias = key_bias.to(device);
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
    batch.layout = std::make_shared<const BatchLayout>(make_layout(std::move(starts), std::move(lengths), device));
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
    batch.layout =
        std::make_shared<const BatchLayout>(make_layout(std::move(starts), std::move(lengths), input_ids.device()));
    batch.input_ids = input_ids.reshape({-1});
    batch.token_type_ids = token_type_ids.reshape({-1});
    batch.position_ids = torch::arange(width, input_ids.options()).repeat({sentences});
    return batch;
}

}  // namespace moebert
