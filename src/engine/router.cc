#include "engine/router.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace moebert::engine {

void Router::choose(const ModelConfig& config, const Layer& layer, std::int64_t first,
                    std::span<const std::int32_t> ids, std::span<const std::int64_t> starts, const float* y) {
    const auto method = config.moe->route_method;
    const auto rows = std::ssize(ids);
    grow(expert_, first + rows);
    grow(factor_, first + rows);
    gated_ = is_gated(method);
    if (method == RouteMethod::gate_sentence)
        by_sentence(layer, starts, y);
    else if (method == RouteMethod::gate_token)
        by_token(layer, first, rows, y);
    else
        for (std::int64_t i = 0; i < rows; ++i) expert_[at(first + i)] = layer.hash_table.span[at(ids[at(i)])];
}

void Router::count(const ModelConfig& config, std::int64_t rows, std::span<const std::int64_t> starts,
                   std::vector<std::int64_t>& load) const {
    load.assign(at(config.moe->num_experts), 0);
    if (config.moe->route_method == RouteMethod::gate_sentence)
        for (const auto start : starts.first(starts.size() - 1)) ++load[at(expert_[at(start)])];
    else
        for (std::int64_t row = 0; row < rows; ++row) ++load[at(expert_[at(row)])];
}

void Router::by_token(const Layer& layer, std::int64_t first, std::int64_t rows, const float* y) {
    const auto width = std::ssize(layer.attention_norm.scale.span);
    for (auto row = first; row < first + rows; ++row)
        std::tie(expert_[at(row)], factor_[at(row)]) = by_gate(layer.gate.span, {y + row * width, at(width)});
}

void Router::by_sentence(const Layer& layer, std::span<const std::int64_t> starts, const float* y) {
    const auto width = std::ssize(layer.attention_norm.scale.span);
    for (std::size_t b = 0; b + 1 < starts.size(); ++b) {
        const auto first = starts[b], end = starts[b + 1];
        mean_.assign(at(width), 0.0F);
        for (auto row = first; row < end; ++row) add_to(mean_.data(), y + row * width, width);
        for (auto& value : mean_) value /= static_cast<float>(end - first);
        const auto [expert, factor] = by_gate(layer.gate.span, mean_);
        std::fill(expert_.begin() + first, expert_.begin() + end, expert);
        std::fill(factor_.begin() + first, factor_.begin() + end, factor);
    }
}

// The greatest of W x, and what it is after softmax.
std::pair<std::int32_t, float> Router::by_gate(std::span<const float> gate, std::span<const float> x) {
    gates_.resize(gate.size() / x.size());
    multiply_vector(x, gate, gates_);
    const auto chosen = std::ranges::max_element(gates_);
    float sum = 0.0F;
    for (const float value : gates_) sum += std::exp(value - *chosen);
    return {static_cast<std::int32_t>(chosen - gates_.begin()), 1.0F / sum};
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
