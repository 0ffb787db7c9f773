// Importance scores in one forward and one backward pass over a batch (spec: the method; paper, equation 4).
//
// With z = W1 x + b1, a = act(z), and gz, ga the loss's gradients with respect to them, summed over a sentence's tokens
// t:
//   sum_d W1[j,d] dl/dW1[j,d] = sum_t gz_t[j] (z_t[j] - b1[j])      sum_d W2[d,j] dl/dW2[d,j] = sum_t ga_t[j] a_t[j]
// so that no gradient of a weight is ever formed, and sentences, which don't interact, share the pass.
#pragma once

#include <vector>

#include "train/model.h"

namespace moebert {

// Adds the scores of the batch's sentences to `scores`, (L, I). `model` must be dense, and its parameters need no
// gradient.
void accumulate_importance(const Model& model, const Batch& batch, torch::ScalarType dtype, torch::Tensor& scores);

// What one layer adds to them: z and a of all rows, their gradients, and the bias that is in z.
struct LayerValues {
    torch::Tensor d_z, z, bias, d_a, a;  // (T, I), and (I)
};

// Adds |sum over the sentence's rows| for every sentence to `scores`, (I) in float64: by the kernel on CPUs, and in
// plain steps anywhere.
void add_scores(const LayerValues& values, const BatchLayout& layout, torch::Tensor scores);
void add_scores_plain(const LayerValues& values, const BatchLayout& layout, torch::Tensor scores);

}  // namespace moebert
