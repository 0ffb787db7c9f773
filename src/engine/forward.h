// The forward pass over sentences that lie one after another.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <vector>

#include "core/expert_load.h"
#include "engine/router.h"
#include "engine/weights.h"
#include "tasks/features.h"

namespace moebert::engine {

// Where the time goes.
enum class Part { embeddings, query_key_value, attention, attention_output, routing, feed_forward, head };
constexpr std::size_t kParts = 7;
using PartSeconds = std::array<double, kParts>;
const char* to_string(Part part);

// Measures where it goes.
class Laps {
public:
    void start() { since_ = std::chrono::steady_clock::now(); }
    // What passed since the last call was spent on this.
    void end(Part part) {
        const auto now = std::chrono::steady_clock::now();
        seconds_[static_cast<std::size_t>(part)] += std::chrono::duration<double>(now - since_).count();
        since_ = now;
    }
    const PartSeconds& seconds() const { return seconds_; }

private:
    PartSeconds seconds_{};
    std::chrono::steady_clock::time_point since_;
};

// Rows of a layer at a time, so that its wide results stay in the cache: about so many, rather more than few, for which
// its weights would be read once more.
constexpr std::int64_t rows_at_once(Precision precision) { return precision == Precision::fp32 ? 256 : 128; }
constexpr std::int64_t most_rows_at_once(Precision precision) { return rows_at_once(precision) * 3 / 2 - 1; }
inline std::int64_t rows_a_block(std::int64_t rows, Precision precision) {
    const auto about = rows_at_once(precision);
    return divide_up(rows, std::max<std::int64_t>(1, (rows + about / 2) / about));
}

// A sentence's logits come from its first row, except for questions.
bool is_pooled(const ModelConfig& config);
// The choice of an expert looks at all of a sentence's rows.
bool looks_at_all(const ModelConfig& config);
// Columns inside the feed-forward layer.
std::int64_t feed_forward_width(const ModelConfig& config);

// A row of x becomes the embeddings' output for token t of a sentence. `work` holds H floats.
void embed_token(const Weights& weights, const Feature& sentence, std::int64_t t, float* work, States& x,
                 std::int64_t row);

// Attention inside one sentence: context's rows from `row` on become its results, and are not rounded yet unless
// weights.rounds_context(). qkv: (tokens, 3 H).
void attend_sentence(const Weights& weights, const float* qkv, std::int64_t tokens, AttentionPart part, float* work,
                     States& context, std::int64_t row);
void attend_sentence(const Weights& weights, const bf16_bits* qkv, std::int64_t tokens, AttentionPart part, float* work,
                     States& context, std::int64_t row);
// Floats that `work` must have.
std::int64_t attend_work(const Weights& weights, std::int64_t tokens);

// One thread's work space and what it computes; the weights are shared. Nothing is allocated once it has seen its
// largest batch.
class Worker {
public:
    explicit Worker(const Weights& weights);

    // Logits of the sentences, (sentences, labels), or (tokens, 2) for question answering, valid until the next call.
    // They don't depend on what else is in the batch.
    std::span<const float> run(std::span<const Feature* const> sentences);

    // Layer by layer what each expert got in the last call: (L, N), tokens or (gate-sentence) sentences; empty for a
    // dense model.
    const ExpertLoad& expert_load() const { return load_; }

    // Since the worker was made: where its time went, and the operations of its matrix products.
    const PartSeconds& seconds() const { return laps_.seconds(); }
    double operations() const { return operations_; }

    // After every call of run: the embeddings' output and each layer's, (L + 1) of (tokens, H). Not by default.
    void keep_hidden_states() { keeps_states_ = true; }
    const std::vector<std::vector<float>>& hidden_states() const { return states_; }

private:
    void prepare(std::span<const Feature* const> sentences);
    void embed(std::span<const Feature* const> sentences);
    void query_key_value(const Layer& layer, std::int64_t first, std::int64_t last);
    void attend(const Layer& layer, bool only_first);
    void finish_attention(const Layer& layer, std::int64_t first, std::int64_t last,
                          std::span<const std::int64_t> starts);
    bool keeps_experts(const Layer& layer) const;
    void move_first_rows(States& states);
    void feed_forward(const FeedForward& expert, std::span<const std::int32_t> rows, std::span<const float> factor);
    void group_rows(std::size_t k);
    void mix_experts(const Layer& layer, std::size_t k);
    std::span<const float> head();
    void keep_states();
    template <class Out>
    void multiply(const Linear& linear, const Operand& x, std::int64_t rows, Out&& y);

    const Weights& weights_;
    std::int64_t rows_ = 0, sentences_ = 0;
    std::vector<std::int64_t> starts_;  // (B + 1), the first row of each sentence
    std::vector<std::int32_t> ids_;     // (T)
    States x_;                          // what each layer takes and leaves
    States context_;                    // attention's results of a few sentences, or of each sentence's first row
    OperandRows hidden_, grouped_;      // a block of rows inside the feed-forward layer
    Buffer<float> qkv_;                 // of a few sentences: queries, keys and values, (rows, 3 H)
    Buffer<bf16_bits> qkv_bf16_;        // the same where products of attention are bfloat16
    Buffer<float> output_, work_, logits_;
    Router router_;
    ExpertLoad load_;
    Laps laps_;
    double operations_ = 0.0;
    bool only_first_ = false;  // of each sentence, the last layer computes the first row alone
    bool keeps_states_ = false;
    std::vector<std::vector<float>> states_;
};

}  // namespace moebert::engine
