// Losses of fine-tuning and distillation (paper, section 3.3). All take packed batches and return scalars, or (B)
// vectors where they say so.
#pragma once

#include "train/batch.h"
#include "train/model.h"

namespace moebert {

// The task's loss of every sentence, (B): cross-entropy, squared error, or the mean of start's and end's cross-entropy.
torch::Tensor task_losses(ProblemType problem_type, const torch::Tensor& logits, const Batch& batch);

// How far the student's predictions are from the teacher's: symmetric KL divergence, 1/2 sum (p - q)(log p - log q),
// averaged over sentences; squared error for regression; the mean of both ends' divergence for question answering.
torch::Tensor prediction_distance(ProblemType problem_type, const torch::Tensor& student, const torch::Tensor& teacher,
                                  const BatchLayout& layout);

// Sum over layers of the mean squared difference of hidden states; the embedding output counts as a layer.
torch::Tensor hidden_distance(const std::vector<torch::Tensor>& student, const std::vector<torch::Tensor>& teacher);

struct DistillationWeights {
    double distill = 1.0;  // lambda
    double load_balance = 0.0;
};

struct DistillationLoss {
    torch::Tensor total;
    torch::Tensor task, balance, hidden, prediction;  // unweighted; balance is undefined for hash routing
};

// Averages over sentences count `sentence_share`, averages over tokens `token_share`: what part of its optimiser step
// the batch is, by number of sentences and tokens.
DistillationLoss distillation_loss(const ForwardResult& student, const ForwardResult& teacher, const Batch& batch,
                                   ProblemType problem_type, const DistillationWeights& weights,
                                   double sentence_share = 1.0, double token_share = 1.0);

}  // namespace moebert
