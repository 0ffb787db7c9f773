// A batch on the training side: the tokens of B sentences one after another, T rows in all, without padding.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "tasks/features.h"
#include "train/torch.h"

namespace moebert {

// Rows dealt out to slots, of which some may be gaps.
struct Slots {
    torch::Tensor row_of_slot;  // (S) int64; in a gap any row
    torch::Tensor slot_of_row;  // (T) int64
    torch::Tensor has_row;      // (S, 1) bool
};

// Where the sentences lie among the rows. Sentence b is rows row_starts[b] .. row_starts[b+1]-1; its first
// key_lengths[b] rows are tokens, and any after them padding, which only make_padded_batch makes. The tensors are on
// the batch's device.
struct BatchLayout {
    std::vector<std::int64_t> row_starts;   // (B + 1)
    std::vector<std::int64_t> key_lengths;  // (B)
    std::int64_t longest = 0;               // rows of a sentence
    torch::Tensor first_rows;               // (B) int64, the row of each [CLS]
    torch::Tensor sentence_of_row;          // (T) int64
    Slots padded;                           // the rows as (B, longest) slots
    torch::Tensor key_bias;  // (B, longest) float32: 0 for keys, minus infinity for others; undefined without

    std::int64_t sentences() const { return std::ssize(key_lengths); }
    std::int64_t rows() const { return row_starts.back(); }
};

struct Batch {
    std::shared_ptr<const BatchLayout> layout;
    torch::Tensor input_ids, token_type_ids, position_ids;  // (T) int64
    torch::Tensor labels;                                   // (B) int64 classes or float32 values; undefined without
    torch::Tensor start_positions, end_positions;           // (B) int64, tokens of the sentence; question answering
};

BatchLayout make_layout(std::vector<std::int64_t> row_starts, std::vector<std::int64_t> key_lengths,
                        torch::Device device = torch::kCPU);

// `features` are taken in the order of `indices`; labels, or start and end positions, are set when every feature has
// them.
Batch make_batch(std::span<const Feature> features, std::span<const std::int64_t> indices, ProblemType problem_type,
                 torch::Device device = torch::kCPU);

// A batch as the authors' code computes it, padding rows included, out of (B, T) int64 tensors: only to compare with
// numbers of other implementations, since here padding rows count in losses, gates and loads.
Batch make_padded_batch(const torch::Tensor& input_ids, const torch::Tensor& attention_mask,
                        const torch::Tensor& token_type_ids);

}  // namespace moebert
