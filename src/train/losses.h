// Losses of fine-tuning and distillation (paper, section 3.3). All take packed batches and return scalars, or (B)
// vectors where they say so.
#pragma once

#include "train/batch.h"
#include "train/model.h"

namespace moebert {

// A batch's part of its optimiser step, so that the sum over batches and processes is the loss of all the step's
// sentences (tokens) at once.
struct StepShare {
    double sentences = 1.0;
    double tokens = 1.0;
    double pass = 1.0;  // of sentences, all processes' batches of this pass together
};

// The task's loss of every sentence, (B): cross-entropy, squared error, or the mean of start's and end's cross-entropy.
// `label_smoothing` is the share of a class's target that all classes get alike.
torch::Tensor task_losses(ProblemType problem_type, const torch::Tensor& logits, const Batch& batch,
                          double label_smoothing = 0.0);

// How far the student's predictions are from the teacher's: symmetric KL divergence, 1/2 sum (p - q)(log p - log q),
// averaged over sentences; squared error for regression; the mean of both ends' divergence for question answering.
torch::Tensor prediction_distance(ProblemType problem_type, const torch::Tensor& student, const torch::Tensor& teacher,
                                  const BatchLayout& layout);

// Sum over layers of the mean squared difference of hidden states; the embedding output counts as a layer.
torch::Tensor hidden_distance(const std::vector<torch::Tensor>& student, const std::vector<torch::Tensor>& teacher);

struct DistillationWeights {
    double distill = 1.0;  // lambda
    double load_balance = 0.0;
    double label_smoothing = 0.0;  // of the task's loss
};

struct DistillationLoss {
    torch::Tensor total;
    torch::Tensor task, balance, hidden, prediction;  // unweighted; balance is undefined for hash routing
};

DistillationLoss distillation_loss(const ForwardResult& student, const ForwardResult& teacher, const Batch& batch,
                                   ProblemType problem_type, const DistillationWeights& weights,
                                   const StepShare& share = {});

}  // namespace moebert
