// Which expert each token goes to.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/weights.h"

namespace moebert::engine {

// Reused from layer to layer: nothing is allocated once it has seen its largest batch.
class Router {
public:
    // Sets the experts of rows from `first` on, and for gates the factors of their outputs. `ids` are these rows'
    // tokens, `starts` the first row of each sentence among them and the end, y the states of all, (rows, H).
    void choose(const ModelConfig& config, const Layer& layer, std::int64_t first, std::span<const std::int32_t> ids,
                std::span<const std::int64_t> starts, const float* y);
    // What each expert got, (N): tokens, or sentences for gate-sentence. `starts` is that of all sentences.
    void count(const ModelConfig& config, std::int64_t rows, std::span<const std::int64_t> starts,
               std::vector<std::int64_t>& load) const;
    // Each sentence's first row moved up to the sentence's own number, and the others went.
    void keep_first(std::span<const std::int64_t> starts);
    // Puts rows of one expert together, in their order.
    void group(const ModelConfig& config, std::int64_t rows);

    // After group(): the rows of expert e, where they begin among all, and their factors; none for hash methods.
    std::span<const std::int32_t> rows(std::size_t e) const { return part(order_, e); }
    std::int64_t start(std::size_t e) const { return expert_starts_[e]; }
    std::span<const float> factors(std::size_t e) const {
        return gated_ ? part(grouped_factor_, e) : std::span<const float>();
    }

private:
    template <class T>
    std::span<const T> part(const std::vector<T>& values, std::size_t e) const {
        const auto first = static_cast<std::size_t>(expert_starts_[e]);
        return std::span(values).subspan(first, static_cast<std::size_t>(expert_starts_[e + 1]) - first);
    }
    void by_token(const Layer& layer, std::int64_t first, std::int64_t rows, const float* y);
    void by_sentence(const Layer& layer, std::span<const std::int64_t> starts, const float* y);
    std::pair<std::int32_t, float> by_gate(std::span<const float> gate, std::span<const float> x);

    std::vector<std::int32_t> expert_, order_;  // of each row; the rows, grouped by expert
    std::vector<float> factor_, grouped_factor_, gates_, mean_;
    std::vector<std::int64_t> expert_starts_, next_;  // in order_
    bool gated_ = false;
};

}  // namespace moebert::engine
