// AdamW with decoupled weight decay (Loshchilov & Hutter 2019), one pass over memory a step.
#pragma once

#include <vector>

#include "train/kernels.h"
#include "train/model.h"
#include "train/processes.h"

namespace moebert {

struct AdamWOptions {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.0;  // not for biases and LayerNorm weights
};

// In place of a process's number.
constexpr int kEveryone = -1;

// With several processes each has the gradients of the parameters that it owns, steps for these, and keeps only their
// moments; all processes call the same functions.
class AdamW {
public:
    // `owners`, of each parameter: a process, or kEveryone, all of which then have the same gradient; all are
    // everyone's when it is empty.
    AdamW(std::vector<Parameter> parameters, AdamWOptions options, const Processes& processes = alone(),
          std::vector<int> owners = {});

    // Multiplies the gradients by `grad_scale`, clips them to `max_grad_norm` over all parameters (0: not at all),
    // steps, and drops the gradients. A parameter without a gradient (an expert that got no token) stays as it is.
    // Returns the norm before clipping; when that is not finite nothing is changed.
    double step(double learning_rate, double max_grad_norm, double grad_scale = 1.0);

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
    // gradient, and `steps`, (parameters) int64. NAME is the first of the parameter's names. The first process gets all
    // of them, others nothing.
    TensorMap tensors() const;
    // An Error when they are not those of these parameters. Each process gets them all, and keeps what is its own.
    void restore(const TensorMap& tensors);

    const std::vector<Parameter>& parameters() const { return parameters_; }
    std::vector<State>& states() { return states_; }

private:
    double gradient_norm() const;
    bool is_own(std::size_t i) const { return owners_[i] == kEveryone || owners_[i] == processes_.rank(); }
    void step_on_cpu(std::size_t i, double learning_rate, double grad_scale);
    void step_rows(std::size_t i, const kernels::AdamStep& step);

    std::vector<Parameter> parameters_;
    AdamWOptions options_;
    const Processes& processes_;
    std::vector<int> owners_;
    std::vector<State> states_;
};

}  // namespace moebert
