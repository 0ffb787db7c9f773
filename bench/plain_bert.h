// The baseline: BERT and its training written as one would with libtorch alone. Batches are padded to their longest
// sentence, every operation is a libtorch operator, gradients come from autograd, steps from torch::optim::AdamW.
#pragma once

#include "train/model.h"

namespace moebert::bench {

struct PaddedBatch {
    torch::Tensor input_ids, token_type_ids, attention_mask;  // (B, T) int64
    torch::Tensor labels;                                     // int64: (B), or (B, 2), where an answer starts and ends
};

PaddedBatch pad(std::span<const Feature> features, std::span<const std::int64_t> indices);

struct PlainResult {
    torch::Tensor logits;                      // (B, C); question answering: (B, T, 2), start and end
    std::vector<torch::Tensor> hidden_states;  // L + 1 of (B, T, H)
};

struct PlainOptions {
    bool training = true;
    bool bf16 = false;  // autocast
};

// The parameters are those of `model`, dense or hash-routed mixture of experts; query, key and value are three
// products, as in Hugging Face's BERT.
PlainResult plain_forward(const Model& model, const PaddedBatch& batch, const PlainOptions& options);

// The model's tensors for an optimiser of libtorch.
std::vector<torch::Tensor> plain_parameters(Model& model);

}  // namespace moebert::bench
