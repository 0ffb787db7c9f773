#include "train/adamw.h"

#include <cmath>

#include "core/error.h"
#include "train/kernels.h"

namespace moebert {

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions options, const Processes& processes,
             std::vector<int> owners)
    : parameters_(std::move(parameters)),
      options_(options),
      processes_(processes),
      owners_(std::move(owners)),
      states_(parameters_.size()) {
    owners_.resize(parameters_.size(), kEveryone);
}

namespace {

double squared_norm(torch::Tensor grad) {
    if (grad.is_sparse()) grad = grad._values();
    const bool fast = grad.device().is_cpu() && grad.is_contiguous();
    return fast ? kernels::sum_of_squares(grad.data_ptr<float>(), grad.numel()) : grad.square().sum().item<double>();
}

}  // namespace

double AdamW::gradient_norm() const {
    double everyones = 0.0;
    const auto owned = torch::zeros({1}, torch::kFloat64);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        auto& grad = parameters_[i].tensor->mutable_grad();
        if (!grad.defined()) continue;
        if (grad.is_sparse()) grad = grad.coalesce();  // tokens that occur twice: their gradients are added first
        (owners_[i] == kEveryone ? everyones : *owned.data_ptr<double>()) += squared_norm(grad);
    }
    processes_.sum(owned);
    return std::sqrt(everyones + owned.item<double>());
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

// A row's gradient is `gradient` + its place in `place`, or zero where that is -1.
std::vector<std::int64_t> places_of_rows(const torch::Tensor& rows, std::int64_t count) {
    std::vector<std::int64_t> places(static_cast<std::size_t>(count), -1);
    const auto* row = rows.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < rows.numel(); ++i) places[static_cast<std::size_t>(row[i])] = i;
    return places;
}

}  // namespace

void AdamW::step_rows(std::size_t i, const kernels::AdamStep& step) {
    auto& parameter = *parameters_[i].tensor;
    auto& state = states_[i];
    const auto& grad = parameter.grad();
    const auto rows = grad._indices()[0].contiguous();
    const auto values = grad._values().contiguous();
    if (!state.touched.defined()) state.touched = torch::zeros({parameter.size(0)}, torch::kBool);
    state.touched.index_fill_(0, rows, true);
    const auto places = places_of_rows(rows, parameter.size(0));
    const auto width = parameter.size(1);
    kernels::adamw_rows(step, {parameter.size(0), width},
                        step.weight_decay == 0.0F ? state.touched.data_ptr<bool>() : nullptr, places,
                        values.data_ptr<float>(), parameter.data_ptr<float>(), state.mean.data_ptr<float>(),
                        state.variance.data_ptr<float>());
}

double AdamW::step(double learning_rate, double max_grad_norm) {
    torch::NoGradGuard no_grad;
    const double norm = gradient_norm();
    if (!std::isfinite(norm)) return norm;
    const double scale = max_grad_norm > 0 && norm > max_grad_norm ? max_grad_norm / (norm + 1e-6) : 1.0;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        auto& parameter = *parameters_[i].tensor;
        if (!parameter.grad().defined()) continue;
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
        if (parameter.grad().is_sparse() && parameter.device().is_cpu()) {
            step_rows(i, s);
            continue;
        }
        const auto grad = (parameter.grad().is_sparse() ? parameter.grad().to_dense() : parameter.grad()).contiguous();
        if (parameter.device().is_cpu())
            kernels::adamw(s, parameter.numel(), parameter.data_ptr<float>(), grad.data_ptr<float>(),
                           state.mean.data_ptr<float>(), state.variance.data_ptr<float>());
        else
            step_plain(s, parameter, grad, state);
    }
    zero_grad();
    return norm;
}

TensorMap AdamW::tensors() const {
    TensorMap all;
    const auto steps = torch::zeros({std::ssize(states_)}, torch::kInt64);
    for (std::size_t i = 0; i < states_.size(); ++i)
        if (owners_[i] == processes_.rank() || (owners_[i] == kEveryone && processes_.is_first()))
            steps[static_cast<std::int64_t>(i)] = states_[i].steps;
    processes_.sum(steps);
    for (std::size_t i = 0; i < states_.size(); ++i) {
        if (steps[static_cast<std::int64_t>(i)].item<std::int64_t>() == 0) continue;
        for (const auto& [prefix, moment] :
             {std::pair("mean.", &State::mean), std::pair("variance.", &State::variance)}) {
            auto tensor = is_own(i) ? states_[i].*moment : torch::empty_like(*parameters_[i].tensor);
            if (owners_[i] > 0) processes_.broadcast(tensor, owners_[i]);
            if (processes_.is_first()) all[prefix + parameters_[i].names.front()] = from_torch(tensor);
        }
    }
    if (processes_.is_first()) all["steps"] = from_torch(steps);
    return all;
}

void AdamW::restore(const TensorMap& tensors) {
    std::size_t used = 0;
    const auto take = [&](const std::string& name, const Shape& shape) {
        const auto found = tensors.find(name);
        if (found == tensors.end()) fail("optimizer: {}: expected shape {}, found none", name, to_string(shape));
        if (found->second.shape != shape)
            fail("optimizer: {}: expected shape {}, found {}", name, to_string(shape), to_string(found->second.shape));
        ++used;
        return to_torch(found->second);
    };
    const auto steps = take("steps", {std::ssize(states_)});
    for (std::size_t i = 0; i < states_.size(); ++i) {
        auto& state = states_[i];
        state = {};
        state.steps = steps[static_cast<std::int64_t>(i)].item<std::int64_t>();
        if (state.steps == 0) continue;
        const auto& parameter = *parameters_[i].tensor;
        const auto& name = parameters_[i].names.front();
        const Shape shape(parameter.sizes().begin(), parameter.sizes().end());
        const auto mean = take("mean." + name, shape), variance = take("variance." + name, shape);
        if (!is_own(i)) {
            state = {};
            continue;
        }
        state.mean = mean.to(parameter.device());
        state.variance = variance.to(parameter.device());
        // Rows without moments are those that a sparse gradient never reached, or are left as they are just so.
        if (parameter.dim() == 2) state.touched = state.mean.ne(0).logical_or(state.variance.ne(0)).any(1);
    }
    if (used != tensors.size()) fail("optimizer: expected {} tensors, found {}", used, tensors.size());
}

void AdamW::zero_grad() {
    for (auto& parameter : parameters_) parameter.tensor->mutable_grad().reset();
}

}  // namespace moebert
