#include "train/adamw.h"

#include <cmath>

#include "train/kernels.h"

namespace moebert {

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options), states_(parameters_.size()) {}

double AdamW::gradient_norm() const {
    double sum = 0.0;
    for (const auto& parameter : parameters_) {
        const auto& grad = parameter.tensor->grad();
        if (!grad.defined()) continue;
        sum += grad.device().is_cpu() && grad.is_contiguous()
                   ? kernels::sum_of_squares(grad.data_ptr<float>(), grad.numel())
                   : grad.square().sum().item<double>();
    }
    return std::sqrt(sum);
}

namespace {

void step_plain(const kernels::AdamStep& s, torch::Tensor parameter, const torch::Tensor& grad, AdamW::State& state) {
    const auto gradient = grad * s.grad_scale;
    state.mean.mul_(s.beta1).add_(gradient, 1 - s.beta1);
    state.variance.mul_(s.beta2).addcmul_(gradient, gradient, 1 - s.beta2);
    parameter.mul_(1 - s.learning_rate * s.weight_decay);
    parameter.addcdiv_(state.mean, (state.variance / s.correction2).sqrt().add_(s.epsilon),
                       -s.learning_rate / s.correction1);
}

}  // namespace

double AdamW::step(double learning_rate, double max_grad_norm) {
    torch::NoGradGuard no_grad;
    const double norm = gradient_norm();
    if (!std::isfinite(norm)) return norm;
    const double scale = max_grad_norm > 0 && norm > max_grad_norm ? max_grad_norm / (norm + 1e-6) : 1.0;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        auto& parameter = *parameters_[i].tensor;
        if (!parameter.grad().defined()) continue;
        const auto grad = parameter.grad().contiguous();
        auto& state = states_[i];
        if (!state.mean.defined()) {
            state.mean = torch::zeros_like(parameter);
            state.variance = torch::zeros_like(parameter);
        }
        const auto t = static_cast<double>(++state.steps);
        const kernels::AdamStep s{static_cast<float>(learning_rate),
                                  static_cast<float>(options_.beta1),
                                  static_cast<float>(options_.beta2),
                                  static_cast<float>(options_.epsilon),
                                  static_cast<float>(parameters_[i].decays() ? options_.weight_decay : 0.0),
                                  static_cast<float>(scale),
                                  static_cast<float>(1.0 - std::pow(options_.beta1, t)),
                                  static_cast<float>(1.0 - std::pow(options_.beta2, t))};
        if (parameter.device().is_cpu())
            kernels::adamw(s, parameter.numel(), parameter.data_ptr<float>(), grad.data_ptr<float>(),
                           state.mean.data_ptr<float>(), state.variance.data_ptr<float>());
        else
            step_plain(s, parameter, grad, state);
    }
    zero_grad();
    return norm;
}

void AdamW::zero_grad() {
    for (auto& parameter : parameters_) parameter.tensor->mutable_grad().reset();
}

}  // namespace moebert
