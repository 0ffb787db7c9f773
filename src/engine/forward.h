// The forward pass over sentences that lie one after another, on one thread.
#pragma once

#include <span>
#include <vector>

#include "engine/weights.h"
#include "tasks/features.h"

namespace moebert::engine {

// One thread's work space and what it computes; the weights are shared. Nothing is allocated once it has seen its
// largest batch.
class Worker {
public:
    explicit Worker(const Weights& weights) : weights_(weights) {}

    // Logits of the sentences, (sentences, labels), or (tokens, 2) for question answering, valid until the next call.
    // They don't depend on what else is in the batch.
    std::span<const float> run(std::span<const Feature* const> sentences);

    // Layer by layer what each expert got of the last batch: (L, N), tokens or (gate-sentence) sentences; empty for a
    // dense model.
    const std::vector<std::vector<std::int64_t>>& expert_load() const { return load_; }

    // After every call of run: the embeddings' output and each layer's, (L + 1) of (tokens, H). Not by default.
    void keep_hidden_states() { keeps_states_ = true; }
    const std::vector<std::vector<float>>& hidden_states() const { return states_; }

private:
    void prepare(std::span<const Feature* const> sentences);
    void embed(std::span<const Feature* const> sentences);
    void attend(const Layer& layer, bool only_first);
    void feed_forward(const FeedForward& expert, std::span<const std::int32_t> rows, std::span<const float> factor);
    void route(const Layer& layer, std::size_t k);
    void choose_by_token(const Layer& layer);
    void choose_by_sentence(const Layer& layer, std::vector<std::int64_t>& load);
    void mix_experts(const Layer& layer, std::size_t k);
    std::span<const float> head();
    const void* operand(const std::vector<float>& plain, const std::vector<bf16_bits>& rounded) const;

    const Weights& weights_;
    std::int64_t rows_ = 0, sentences_ = 0;
    std::vector<std::int64_t> starts_;  // (B + 1), the first row of each sentence
    std::vector<std::int32_t> ids_;     // (T)
    std::vector<float> x_, y_, qkv_, context_, hidden_, output_, work_, logits_;
    std::vector<bf16_bits> x_bf16_, y_bf16_, context_bf16_, hidden_bf16_, grouped_bf16_;
    std::vector<float> grouped_, gates_, factor_, grouped_factor_;
    std::vector<std::int32_t> expert_, order_;
    std::vector<std::int64_t> counts_;
    std::vector<std::vector<std::int64_t>> load_;
    bool keeps_states_ = false;
    std::vector<std::vector<float>> states_;
};

}  // namespace moebert::engine
