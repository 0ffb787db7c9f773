#include "train/adamw.h"

#include <array>
#include <cmath>

#include "core/error.h"
#include "train/gpu_kernels.h"
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

double squared_norm(const std::vector<torch::Tensor>& gradients) {
    if (gradients.empty()) return 0.0;
    if (!gradients.front().device().is_cpu())
        return torch::stack(at::_foreach_norm(gradients, 2)).to(torch::kFloat64).square().sum().item<double>();
    double sum = 0.0;
    for (const auto& gradient : gradients) {
        const auto values = gradient.contiguous();
        sum += kernels::sum_of_squares(values.data_ptr<float>(), values.numel());
    }
    return sum;
}

}  // namespace

double AdamW::gradient_norm() const {
    std::vector<torch::Tensor> everyones, owned;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        auto& grad = parameters_[i].tensor->mutable_grad();
        if (!grad.defined()) continue;
        if (grad.is_sparse()) grad = grad.coalesce();  // tokens that occur twice: their gradients are added first
        (owners_[i] == kEveryone ? everyones : owned).push_back(grad.is_sparse() ? grad._values() : grad);
    }
    const auto sum = torch::tensor({squared_norm(owned)}, torch::kFloat64);
    processes_.sum(sum);
    return std::sqrt(squared_norm(everyones) + sum.item<double>());
}

namespace {

// A row's gradient is `gradient` + its place in `place`, or zero where that is -1.
std::vector<std::int64_t> places_of_rows(const torch::Tensor& rows, std::int64_t count) {
    std::vector<std::int64_t> places(static_cast<std::size_t>(count), -1);
    const auto* row = rows.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < rows.numel(); ++i) places[static_cast<std::size_t>(row[i])] = i;
    return places;
}

void add(gpu::AdamGroup& group, const torch::Tensor& parameter, const AdamW::State& state) {
    const auto& grad = parameter.grad();
    group.parameters.push_back(parameter);
    group.gradients.push_back(grad.is_sparse() ? grad.to_dense() : grad.contiguous());
    group.means.push_back(state.mean);
    group.variances.push_back(state.variance);
    group.steps.push_back(static_cast<float>(state.steps));
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

void AdamW::step_on_cpu(std::size_t i, double learning_rate, double grad_scale) {
    auto& parameter = *parameters_[i].tensor;
    auto& state = states_[i];
    const auto t = static_cast<double>(state.steps);
    const kernels::AdamStep step{static_cast<float>(learning_rate),
                                 static_cast<float>(options_.beta1),
                                 static_cast<float>(options_.beta2),
                                 static_cast<float>(options_.epsilon),
                                 static_cast<float>(parameters_[i].decays() ? options_.weight_decay : 0.0),
                                 static_cast<float>(grad_scale),
                                 static_cast<float>(1.0 - std::pow(options_.beta1, t)),
                                 static_cast<float>(1.0 - std::pow(options_.beta2, t))};
    if (parameter.grad().is_sparse()) return step_rows(i, step);
    kernels::adamw(step, parameter.numel(), parameter.data_ptr<float>(),
                   parameter.grad().contiguous().data_ptr<float>(), state.mean.data_ptr<float>(),
                   state.variance.data_ptr<float>());
}

double AdamW::step(double learning_rate, double max_grad_norm, double grad_scale) {
    torch::NoGradGuard no_grad;
    const double norm = gradient_norm() * grad_scale;
    if (!std::isfinite(norm)) {
        zero_grad();
        return norm;
    }
    if (max_grad_norm > 0 && norm > max_grad_norm) grad_scale *= max_grad_norm / (norm + 1e-6);
    std::array<gpu::AdamGroup, 2> on_gpu;  // with weight decay and without
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        auto& parameter = *parameters_[i].tensor;
        if (!parameter.grad().defined()) continue;
        auto& state = states_[i];
        if (!state.mean.defined()) {
            state.mean = torch::zeros_like(parameter);
            state.variance = torch::zeros_like(parameter);
        }
        ++state.steps;
        if (parameter.device().is_cpu())
            step_on_cpu(i, learning_rate, grad_scale);
        else
            add(on_gpu[parameters_[i].decays() ? 0 : 1], parameter, state);
    }
    const gpu::AdamSetting setting{learning_rate,    options_.beta1,        options_.beta2,
                                   options_.epsilon, options_.weight_decay, grad_scale};
    auto without_decay = setting;
    without_decay.weight_decay = 0.0;
    if (!on_gpu[0].parameters.empty()) gpu::adamw(setting, on_gpu[0]);
    if (!on_gpu[1].parameters.empty()) gpu::adamw(without_decay, on_gpu[1]);
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
