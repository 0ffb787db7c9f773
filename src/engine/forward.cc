#include "engine/forward.h"

#include <algorithm>

#include "engine/attention_bf16.h"

namespace moebert::engine {

std::int64_t feed_forward_width(const ModelConfig& c) { return c.moe ? c.moe->expert_size : c.intermediate_size; }

bool is_pooled(const ModelConfig& c) { return c.problem_type != ProblemType::question_answering; }

bool looks_at_all(const ModelConfig& c) { return c.moe && c.moe->route_method == RouteMethod::gate_sentence; }

void embed_token(const Weights& weights, const Feature& sentence, std::int64_t t, float* work, States& x,
                 std::int64_t row) {
    const auto width = weights.config.hidden_size;
    const float* word = weights.words.span.data() + sentence.input_ids[at(t)] * width;
    const float* position = weights.positions.span.data() + t * width;
    const float* type = weights.types.span.data() + sentence.token_type_ids[at(t)] * width;
    for (std::int64_t i = 0; i < width; ++i) work[i] = position[i] + type[i];
    x.set_layer_norm(row, word, work, weights.embedding_norm.view());
}

void attend_sentence(const Weights& weights, const float* qkv, std::int64_t tokens, AttentionPart part, float* work,
                     States& context, std::int64_t row) {
    const auto& c = weights.config;
    attention(qkv, tokens, c.num_attention_heads, c.head_size(), part, work, context.row(row));
}

void attend_sentence(const Weights& weights, const bf16_bits* qkv, std::int64_t tokens, AttentionPart part, float* work,
                     States& context, std::int64_t row) {
    const auto& c = weights.config;
    if (weights.rounds_context())
        attention_bf16(qkv, tokens, c.num_attention_heads, c.head_size(), part, work, context.bf16_row(row));
    else
        attention_bf16(qkv, tokens, c.num_attention_heads, c.head_size(), part, work, context.row(row));
}

std::int64_t attend_work(const Weights& weights, std::int64_t tokens) {
    const auto size = weights.config.head_size();
    return static_cast<std::int64_t>(weights.rounds_attention ? attention_bf16_work(tokens, size)
                                                              : attention_work(tokens, size));
}

const char* to_string(Part part) {
    constexpr const char* kNames[kParts] = {"embeddings", "query_key_value", "attention", "attention_output",
                                            "routing",    "feed_forward",    "head"};
    return kNames[static_cast<std::size_t>(part)];
}

Worker::Worker(const Weights& weights)
    : weights_(weights),
      x_(weights.precision, weights.config.hidden_size),
      context_(weights.precision, weights.config.hidden_size),
      hidden_(weights.precision, feed_forward_width(weights.config)),
      grouped_(weights.precision, weights.config.hidden_size) {}

std::span<const float> Worker::run(std::span<const Feature* const> sentences) {
    prepare(sentences);
    laps_.start();
    embed(sentences);
    keep_states();
    const auto& config = weights_.config;
    for (std::size_t k = 0; k < weights_.layers.size(); ++k) {
        const auto& layer = weights_.layers[k];
        // A sentence's logits come from its first row: the last layer computes no other then, after attention.
        const bool is_last = k + 1 == weights_.layers.size();
        only_first_ = is_last && is_pooled(config) && !keeps_states_;
        attend(layer, only_first_ && !looks_at_all(config));
        if (config.moe)
            mix_experts(layer, k);
        else
            feed_forward(layer.experts.front(), {}, {});
        laps_.end(Part::feed_forward);
        keep_states();
    }
    const auto logits = head();
    laps_.end(Part::head);
    return logits;
}

template <class Out>
void Worker::multiply(const Linear& linear, const Operand& x, std::int64_t rows, Out&& y) {
    linear.run(x, rows, y);
    operations_ += 2.0 * static_cast<double>(rows * linear.weights().inner * linear.weights().columns);
}

void Worker::keep_states() {
    if (keeps_states_) states_.emplace_back(x_.row(0), x_.row(rows_));
}

void Worker::prepare(std::span<const Feature* const> sentences) {
    starts_.assign(1, 0);
    ids_.clear();
    states_.clear();
    std::int64_t longest = 0;
    for (const auto* sentence : sentences) {
        ids_.insert(ids_.end(), sentence->input_ids.begin(), sentence->input_ids.end());
        longest = std::max(longest, std::ssize(sentence->input_ids));
        starts_.push_back(std::ssize(ids_));
    }
    rows_ = std::ssize(ids_);
    sentences_ = std::ssize(sentences);
    const auto& c = weights_.config;
    x_.reserve(rows_);
    const auto most = most_rows_at_once(weights_.precision);
    const auto together = std::max({longest, most, sentences_});  // a few sentences, or all first rows
    context_.reserve(together);
    for (auto* block : {&hidden_, &grouped_}) block->reserve(most);
    grow(output_, together * c.hidden_size);
    grow(work_, attend_work(weights_, longest));
    const auto at_once = 3 * std::max(longest, most) * c.hidden_size;
    if (weights_.rounds_attention)
        grow(qkv_bf16_, at_once);
    else
        grow(qkv_, at_once);
    if (c.moe) load_.resize(weights_.layers.size());
}

void Worker::embed(std::span<const Feature* const> sentences) {
    for (std::int64_t b = 0; b < sentences_; ++b)
        for (auto row = starts_[at(b)]; row < starts_[at(b + 1)]; ++row)
            embed_token(weights_, *sentences[at(b)], row - starts_[at(b)], output_.data(), x_, row);
    laps_.end(Part::embeddings);
}

// Of rows [first, last).
void Worker::query_key_value(const Layer& layer, std::int64_t first, std::int64_t last) {
    const auto from = x_.operand().from(first);
    if (weights_.rounds_attention)
        multiply(layer.qkv, from, last - first, qkv_bf16_.data());
    else
        multiply(layer.qkv, from, last - first, qkv_.data());
    laps_.end(Part::query_key_value);
}

// x becomes LayerNorm(attention(x) + x), a few sentences at a time, so that what they need stays in the cache; with
// `only_first` of each sentence's first row alone, in the order of the sentences.
void Worker::attend(const Layer& layer, bool only_first) {
    const auto& c = weights_.config;
    const auto most = most_rows_at_once(weights_.precision);
    for (std::int64_t b = 0; b < sentences_;) {
        const auto first_sentence = b, first = starts_[at(b)];
        while (++b < sentences_ && starts_[at(b + 1)] - first <= most) {
        }
        const auto last = starts_[at(b)];
        query_key_value(layer, first, last);
        for (auto s = first_sentence; s < b; ++s) {
            const auto place = starts_[at(s)] - first, tokens = starts_[at(s + 1)] - starts_[at(s)];
            const AttentionPart part{0, only_first ? 1 : tokens, 0, c.num_attention_heads};
            const auto run = [&](const auto* qkv) {
                attend_sentence(weights_, qkv + 3 * place * c.hidden_size, tokens, part, work_.data(), context_,
                                only_first ? s : place);
            };
            weights_.rounds_attention ? run(qkv_bf16_.data()) : run(qkv_.data());
        }
        laps_.end(Part::attention);
        if (!only_first)
            finish_attention(layer, first, last,
                             std::span(starts_).subspan(at(first_sentence), at(b - first_sentence + 1)));
    }
    if (!only_first) return;
    move_first_rows(x_);
    finish_attention(layer, 0, rows_, {});
}

// Of rows [first, last), which are those of the sentences that begin at `starts`. Their experts are chosen while their
// states are in the cache.
void Worker::finish_attention(const Layer& layer, std::int64_t first, std::int64_t last,
                              std::span<const std::int64_t> starts) {
    const auto width = weights_.config.hidden_size;
    if (!weights_.rounds_context()) context_.round(0, last - first);
    multiply(layer.attention_output, context_.operand().from(0), last - first, output_.data());
    for (auto row = first; row < last; ++row)
        x_.set_layer_norm(row, output_.data() + (row - first) * width, x_.row(row), layer.attention_norm.view());
    laps_.end(Part::attention_output);
    if (!weights_.config.moe || keeps_experts(layer)) return;
    router_.choose(weights_.config, layer, first, std::span(ids_).subspan(at(first), at(last - first)), starts,
                   x_.row(0));
    laps_.end(Part::routing);
}

// The rows and their experts are those of the layer before.
bool Worker::keeps_experts(const Layer& layer) const { return layer.shares_table && !only_first_; }

// Sentence b's first row moves up to row b, which lies before it, and its token too. The others are gone then.
void Worker::move_first_rows(States& states) {
    const auto width = weights_.config.hidden_size;
    for (std::int64_t b = 0; b < sentences_; ++b) {
        std::copy_n(states.row(starts_[at(b)]), width, states.row(b));
        ids_[at(b)] = ids_[at(starts_[at(b)])];
    }
    rows_ = sentences_;
}

// x becomes LayerNorm(W2 act(W1 x + b1) + b2 + x) * factor, in the rows given; in all of them when there are none.
void Worker::feed_forward(const FeedForward& expert, std::span<const std::int32_t> rows,
                          std::span<const float> factor) {
    const auto width = weights_.config.hidden_size;
    const bool all = rows.empty();
    const auto count = all ? rows_ : std::ssize(rows);
    const auto block = rows_a_block(count, weights_.precision);
    for (std::int64_t first = 0; first < count; first += block) {
        const auto size = std::min(block, count - first);
        for (std::int64_t i = 0; !all && i < size; ++i) grouped_.copy(i, x_.operand(), rows[at(first + i)]);
        const auto in = all ? x_.operand().from(first) : grouped_.from(0);
        multiply(expert.up, in, size, hidden_);
        multiply(expert.down, hidden_.from(0), size, output_.data());
        for (std::int64_t i = 0; i < size; ++i) {
            const auto row = all ? first + i : rows[at(first + i)];
            x_.set_layer_norm(row, output_.data() + i * width, x_.row(row), expert.norm.view(),
                              factor.empty() ? 1.0F : factor[at(first + i)]);
        }
    }
}

void Worker::group_rows(std::size_t k) {
    const auto& c = weights_.config;
    router_.count(c, rows_, starts_, load_[k]);
    if (only_first_ && looks_at_all(c)) {
        move_first_rows(x_);
        router_.keep_first(starts_);
        x_.round(0, rows_);
    }
    router_.group(c, rows_);
}

// Rows are grouped by expert, and each expert runs on its own alone.
void Worker::mix_experts(const Layer& layer, std::size_t k) {
    if (keeps_experts(layer))
        load_[k] = load_[k - 1];
    else
        group_rows(k);
    laps_.end(Part::routing);
    for (std::size_t e = 0; e < layer.experts.size(); ++e)
        if (!router_.rows(e).empty()) feed_forward(layer.experts[e], router_.rows(e), router_.factors(e));
}

std::span<const float> Worker::head() {
    const auto labels = weights_.head.weights().columns;
    if (!is_pooled(weights_.config)) {
        grow(logits_, rows_ * labels);
        multiply(weights_.head, {x_.row(0), nullptr, nullptr}, rows_, logits_.data());
        return std::span(logits_).first(at(rows_ * labels));
    }
    if (rows_ != sentences_)  // else they are the first rows already
        move_first_rows(x_);
    grow(logits_, sentences_ * labels);
    multiply(weights_.pooler, {x_.row(0), nullptr, nullptr}, sentences_, output_.data());
    multiply(weights_.head, {output_.data(), nullptr, nullptr}, sentences_, logits_.data());
    return std::span(logits_).first(at(sentences_ * labels));
}

}  // namespace moebert::engine
