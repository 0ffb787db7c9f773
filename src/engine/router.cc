#include "engine/router.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace moebert::engine {
namespace {

std::int64_t greatest(const float* values, std::int64_t count) {
    return std::max_element(values, values + count) - values;
}

// Of the greatest value, after softmax.
float softmax_of(const float* values, std::int64_t count, std::int64_t chosen) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(values[i]) - values[chosen]);
    return static_cast<float>(1.0 / sum);
}

}  // namespace

void Router::choose(const ModelConfig& config, const Layer& layer, std::span<const std::int32_t> ids,
                    std::span<const std::int64_t> starts, const float* y, std::vector<std::int64_t>& load) {
    const auto method = config.moe->route_method;
    const auto rows = std::ssize(ids);
    grow(expert_, rows);
    grow(factor_, rows);
    gated_ = is_gated(method);
    if (method == RouteMethod::gate_sentence)
        by_sentence(layer, starts, y);
    else if (method == RouteMethod::gate_token)
        by_token(layer, rows, y);
    else
        for (std::int64_t row = 0; row < rows; ++row) expert_[at(row)] = layer.hash_table.span[at(ids[at(row)])];
    load.assign(at(config.moe->num_experts), 0);
    if (method == RouteMethod::gate_sentence)
        for (const auto start : starts.first(starts.size() - 1)) ++load[at(expert_[at(start)])];
    else
        for (std::int64_t row = 0; row < rows; ++row) ++load[at(expert_[at(row)])];
}

void Router::by_token(const Layer& layer, std::int64_t rows, const float* y) {
    const auto experts = layer.gate.weights().columns;
    grow(gates_, rows * experts);
    layer.gate.run({y, nullptr, nullptr}, rows, gates_.data());
    for (std::int64_t row = 0; row < rows; ++row) {
        const auto* gate = gates_.data() + row * experts;
        const auto chosen = greatest(gate, experts);
        expert_[at(row)] = static_cast<std::int32_t>(chosen);
        factor_[at(row)] = softmax_of(gate, experts, chosen);
    }
}

void Router::by_sentence(const Layer& layer, std::span<const std::int64_t> starts, const float* y) {
    const auto experts = layer.gate.weights().columns, width = layer.gate.weights().inner;
    grow(gates_, experts);
    grow(mean_, width);
    for (std::size_t b = 0; b + 1 < starts.size(); ++b) {
        const auto first = starts[b], end = starts[b + 1];
        std::fill_n(mean_.begin(), width, 0.0F);
        for (auto row = first; row < end; ++row)
            for (std::int64_t i = 0; i < width; ++i) mean_[at(i)] += y[row * width + i];
        for (std::int64_t i = 0; i < width; ++i) mean_[at(i)] /= static_cast<float>(end - first);
        layer.gate.run({mean_.data(), nullptr, nullptr}, 1, gates_.data());
        const auto chosen = greatest(gates_.data(), experts);
        std::fill(expert_.begin() + first, expert_.begin() + end, static_cast<std::int32_t>(chosen));
        std::fill(factor_.begin() + first, factor_.begin() + end, softmax_of(gates_.data(), experts, chosen));
    }
}

void Router::keep_first(std::span<const std::int64_t> starts) {
    for (std::size_t b = 0; b + 1 < starts.size(); ++b) {
        expert_[b] = expert_[at(starts[b])];
        factor_[b] = factor_[at(starts[b])];
    }
}

void Router::group(const ModelConfig& config, std::int64_t rows) {
    grow(order_, rows);
    grow(grouped_factor_, rows);
    expert_starts_.assign(at(config.moe->num_experts + 1), 0);
    for (std::int64_t row = 0; row < rows; ++row) ++expert_starts_[at(expert_[at(row)]) + 1];
    std::partial_sum(expert_starts_.begin(), expert_starts_.end(), expert_starts_.begin());
    next_ = expert_starts_;
    for (std::int64_t row = 0; row < rows; ++row) {
        const auto place = at(next_[at(expert_[at(row)])]++);
        order_[place] = static_cast<std::int32_t>(row);
        if (gated_) grouped_factor_[place] = factor_[at(row)];
    }
}

}  // namespace moebert::engine
