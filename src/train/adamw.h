// AdamW with decoupled weight decay (Loshchilov & Hutter 2019), one pass over memory a step.
#pragma once

#include <vector>

#include "train/kernels.h"
#include "train/model.h"

namespace moebert {

struct AdamWOptions {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.0;  // not for biases and LayerNorm weights
};

class AdamW {
public:
    AdamW(std::vector<Parameter> parameters, AdamWOptions options);

    // Clips the gradients to `max_grad_norm` over all parameters (0: not at all), steps, and drops the gradients.
    // A parameter without a gradient (an expert that got no token) stays as it is. Returns the norm before clipping;
    // when that is not finite nothing is changed.
    double step(double learning_rate, double max_grad_norm);

    // Gradients are dropped, not zeroed: the next backward pass then writes them without adding.
    void zero_grad();

    struct State {
        std::int64_t steps = 0;  // of this parameter, which starts when it first gets a gradient
        torch::Tensor mean, variance;
        // Sparse gradients only: rows that ever had one, (rows) bool. The others' moments are zero, and without weight
        // decay a step leaves them as they are, so that they are not even read.
        torch::Tensor touched;
    };
    // The states as tensors, copied to host memory: mean.NAME and variance.NAME of every parameter that has had a
    // gradient, and `steps`, (parameters) int64. NAME is the first of the parameter's names.
    TensorMap tensors() const;
    // An Error when they are not those of these parameters.
    void restore(const TensorMap& tensors);

    const std::vector<Parameter>& parameters() const { return parameters_; }
    std::vector<State>& states() { return states_; }

private:
    double gradient_norm() const;
    void step_rows(std::size_t i, const kernels::AdamStep& step);

    std::vector<Parameter> parameters_;
    AdamWOptions options_;
    std::vector<State> states_;
};

}  // namespace moebert
