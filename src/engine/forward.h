// The forward pass over sentences that lie one after another.
#pragma once

#include <array>
#include <barrier>
#include <chrono>
#include <span>
#include <vector>

#include "engine/weights.h"
#include "tasks/features.h"

namespace moebert::engine {

// Where the time goes.
enum class Part { embeddings, query_key_value, attention, attention_output, routing, feed_forward, head };
constexpr std::size_t kParts = 7;
using PartSeconds = std::array<double, kParts>;
const char* to_string(Part part);

class Worker;

// Workers that compute one sentence together, each its own rows of it.
struct Team {
    Team(Worker& first, std::int64_t count) : leader(first), size(count), barrier(count) {}
    Worker& leader;  // owns what all of them read
    std::int64_t size;
    std::barrier<> barrier;
};

// One thread's work space and what it computes; the weights are shared. Nothing is allocated once it has seen its
// largest batch.
class Worker {
public:
    explicit Worker(const Weights& weights);

    // Logits of the sentences, (sentences, labels), or (tokens, 2) for question answering, valid until the next call.
    // They don't depend on what else is in the batch.
    std::span<const float> run(std::span<const Feature* const> sentences);

    // What worker `index` of a team computes of a sentence's logits: its own rows' for question answering, otherwise
    // all of them for worker 0 and none for others. To be called by all of the team at once.
    std::span<const float> run_part(const Feature& sentence, Team& team, std::int64_t index);

    // Where the last part's logits begin among the sentence's.
    std::size_t first_logit() const;

    // Layer by layer what each expert got in the last call: (L, N), tokens or (gate-sentence) sentences; empty for a
    // dense model.
    const std::vector<std::vector<std::int64_t>>& expert_load() const { return load_; }

    // Since the worker was made: where its time went, and the operations of its matrix products.
    const PartSeconds& seconds() const { return seconds_; }
    double operations() const { return operations_; }

    // After every call of run: the embeddings' output and each layer's, (L + 1) of (tokens, H). Not by default.
    void keep_hidden_states() { keeps_states_ = true; }
    const std::vector<std::vector<float>>& hidden_states() const { return states_; }

private:
    void prepare(std::span<const Feature* const> sentences);
    std::span<const float> compute(std::span<const Feature* const> sentences);
    void embed(std::span<const Feature* const> sentences);
    void query_key_value(const Layer& layer, std::size_t k, std::int64_t first, std::int64_t last);
    void attend(const Layer& layer, std::size_t k, bool only_first);
    void attend_sentence(std::int64_t place, std::int64_t tokens, std::size_t k, Queries queries, float* out);
    void finish_attention(const Layer& layer, std::int64_t first, std::int64_t last);
    std::int64_t move_first_rows(States& states);
    void keep_first_rows();
    void feed_forward(const FeedForward& expert, std::span<const std::int32_t> rows, std::span<const float> factor);
    void route(const Layer& layer, std::size_t k);
    void choose_by_token(const Layer& layer);
    void choose_by_sentence(const Layer& layer);
    const float* all_rows_after_attention();
    void group_rows();
    void mix_experts(const Layer& layer, std::size_t k);
    std::span<const float> head();
    void keep_states();
    void lap(Part part);
    template <class Out>
    void multiply(const Linear& linear, const Operand& x, std::int64_t rows, Out&& y);

    const Weights& weights_;
    Team* team_ = nullptr;
    std::int64_t rows_ = 0, sentences_ = 0;
    std::int64_t begin_ = 0, end_ = 0;       // rows that this worker computes
    std::vector<std::int64_t> starts_;       // (B + 1), the first row of each sentence
    std::vector<std::int32_t> ids_;          // (T)
    States x_, y_, context_;                 // of a layer: its input, after attention, attention's own
    OperandRows hidden_, grouped_;           // a block of rows inside the feed-forward layer
    std::array<std::vector<float>, 2> qkv_;  // (T, 3 H); the second is a team's
    std::array<std::vector<bf16_bits>, 2> qkv_bf16_;
    std::vector<float> output_, work_, logits_, shared_, mean_, gates_, factor_, grouped_factor_;
    std::vector<std::int32_t> expert_, order_;        // an expert for each row; the rows, grouped by expert
    std::vector<std::int64_t> expert_starts_, next_;  // in order_
    std::vector<std::vector<std::int64_t>> load_;
    PartSeconds seconds_{};
    double operations_ = 0.0;
    std::chrono::steady_clock::time_point since_;
    bool only_first_ = false;  // of each sentence, the last layer computes the first row alone
    bool keeps_states_ = false;
    std::vector<std::vector<float>> states_;
};

}  // namespace moebert::engine
