#include "engine/forward.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace moebert::engine {
namespace {

// Rows of the feed-forward layer at a time, so that its wide results stay in the cache.
constexpr std::int64_t kBlock = 128;

// Grows, but never shrinks: after the largest batch nothing is allocated.
template <class T>
void grow(std::vector<T>& values, std::int64_t size) {
    if (std::ssize(values) < size) values.resize(static_cast<std::size_t>(size));
}

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

std::span<const float> Worker::run(std::span<const Feature* const> sentences) {
    prepare(sentences);
    embed(sentences);
    const auto& config = weights_.config;
    const bool is_pooled = config.problem_type != ProblemType::question_answering;
    for (std::size_t k = 0; k < weights_.layers.size(); ++k) {
        const auto& layer = weights_.layers[k];
        // A sentence's logits come from its first row: a dense last layer then computes no other after attention.
        const bool only_first = is_pooled && !config.moe && !keeps_states_ && k + 1 == weights_.layers.size();
        attend(layer, only_first);
        if (config.moe)
            mix_experts(layer, k);
        else
            feed_forward(layer.experts.front(), {}, {});
        if (keeps_states_) states_.emplace_back(x_.begin(), x_.begin() + rows_ * config.hidden_size);
    }
    return head();
}

void Worker::prepare(std::span<const Feature* const> sentences) {
    starts_.assign(1, 0);
    ids_.clear();
    std::int64_t longest = 0;
    for (const auto* sentence : sentences) {
        ids_.insert(ids_.end(), sentence->input_ids.begin(), sentence->input_ids.end());
        longest = std::max(longest, std::ssize(sentence->input_ids));
        starts_.push_back(std::ssize(ids_));
    }
    rows_ = std::ssize(ids_);
    sentences_ = std::ssize(sentences);
    const auto& c = weights_.config;
    const auto width = c.moe ? c.moe->expert_size : c.intermediate_size, values = rows_ * c.hidden_size;
    for (auto* buffer : {&x_, &y_, &context_, &output_}) grow(*buffer, values);
    grow(qkv_, 3 * values);
    grow(work_, static_cast<std::int64_t>(attention_work(longest, c.head_size())));
    if (c.moe) {
        load_.resize(weights_.layers.size());
        grow(grouped_, values);
    }
    if (weights_.precision == Precision::fp32) {
        grow(hidden_, kBlock * width);
        return;
    }
    for (auto* buffer : {&x_bf16_, &y_bf16_, &context_bf16_, &grouped_bf16_}) grow(*buffer, values);
    grow(hidden_bf16_, kBlock * width);
}

void Worker::embed(std::span<const Feature* const> sentences) {
    const auto width = weights_.config.hidden_size;
    std::int64_t row = 0;
    for (const auto* sentence : sentences) {
        for (std::size_t t = 0; t < sentence->input_ids.size(); ++t, ++row) {
            const float* word = weights_.words.data() + sentence->input_ids[t] * width;
            const float* position = weights_.positions.data() + static_cast<std::int64_t>(t) * width;
            const float* type = weights_.types.data() + sentence->token_type_ids[t] * width;
            std::copy_n(word, width, output_.data() + row * width);
            for (std::int64_t i = 0; i < width; ++i)
                y_[static_cast<std::size_t>(row * width + i)] = position[i] + type[i];
        }
    }
    const bool rounds = weights_.precision == Precision::bf16;
    add_layer_norm(output_.data(), y_.data(), rows_, weights_.embedding_norm.view(), {}, x_.data(),
                   rounds ? x_bf16_.data() : nullptr);
    states_.clear();
    if (keeps_states_) states_.emplace_back(x_.begin(), x_.begin() + rows_ * width);
}

const void* Worker::operand(const std::vector<float>& plain, const std::vector<bf16_bits>& rounded) const {
    return weights_.precision == Precision::fp32 ? static_cast<const void*>(plain.data()) : rounded.data();
}

// x becomes y = LayerNorm(attention(x) + x); with `only_first` of each sentence's first row alone, in the order of the
// sentences.
void Worker::attend(const Layer& layer, bool only_first) {
    const auto& c = weights_.config;
    const auto width = c.hidden_size;
    layer.qkv.run(operand(x_, x_bf16_), rows_, qkv_.data());
    for (std::int64_t b = 0; b < sentences_; ++b) {
        const auto first = starts_[static_cast<std::size_t>(b)];
        const auto tokens = starts_[static_cast<std::size_t>(b) + 1] - first;
        attention(qkv_.data() + 3 * first * width, tokens, c.num_attention_heads, c.head_size(), only_first,
                  work_.data(), context_.data() + (only_first ? b : first) * width);
        // Sentence b's first row moves up to row b, which lies before it.
        if (only_first) std::copy_n(x_.data() + first * width, width, x_.data() + b * width);
    }
    if (only_first) rows_ = sentences_;
    const bool rounds = weights_.precision == Precision::bf16;
    if (rounds) round_to_bf16(context_.data(), rows_ * width, context_bf16_.data());
    layer.attention_output.run(operand(context_, context_bf16_), rows_, output_.data());
    add_layer_norm(output_.data(), x_.data(), rows_, layer.attention_norm.view(), {}, y_.data(),
                   rounds ? y_bf16_.data() : nullptr);
}

// x[to] = LayerNorm(W2 act(W1 y[to] + b1) + b2 + y[to]) * factor for the rows given; for all of them when empty.
void Worker::feed_forward(const FeedForward& expert, std::span<const std::int32_t> rows,
                          std::span<const float> factor) {
    const auto width = weights_.config.hidden_size;
    const bool rounds = weights_.precision == Precision::bf16, all = rows.empty();
    const auto count = all ? rows_ : std::ssize(rows);
    for (std::int64_t first = 0; first < count; first += kBlock) {
        const auto size = std::min(kBlock, count - first);
        const auto* block = all ? rows.data() : rows.data() + first;
        for (std::int64_t i = 0; !all && i < size; ++i) {
            if (rounds)
                std::copy_n(y_bf16_.data() + block[i] * width, width, grouped_bf16_.data() + i * width);
            else
                std::copy_n(y_.data() + block[i] * width, width, grouped_.data() + i * width);
        }
        const void* in = rounds ? static_cast<const void*>(all ? y_bf16_.data() + first * width : grouped_bf16_.data())
                         : all  ? y_.data() + first * width
                                : grouped_.data();
        void* between = rounds ? static_cast<void*>(hidden_bf16_.data()) : hidden_.data();
        expert.up.run(in, size, between);
        expert.down.run(between, size, output_.data());
        const auto offset = all ? first * width : 0;
        const Scatter scatter{
            all ? rows : rows.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size)),
            factor.empty() ? factor : factor.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size))};
        add_layer_norm(output_.data(), y_.data() + offset, size, expert.norm.view(), scatter, x_.data() + offset,
                       rounds ? x_bf16_.data() + offset : nullptr);
    }
}

// Sets each row's expert, and for gates the factor of its output.
void Worker::route(const Layer& layer, std::size_t k) {
    const auto experts = weights_.config.moe->num_experts;
    grow(expert_, rows_);
    factor_.clear();
    load_[k].assign(static_cast<std::size_t>(experts), 0);
    if (weights_.config.moe->route_method == RouteMethod::gate_sentence) return choose_by_sentence(layer, load_[k]);
    if (weights_.config.moe->route_method == RouteMethod::gate_token)
        choose_by_token(layer);
    else
        for (std::int64_t i = 0; i < rows_; ++i)
            expert_[static_cast<std::size_t>(i)] =
                layer.hash_table[static_cast<std::size_t>(ids_[static_cast<std::size_t>(i)])];
    for (std::int64_t i = 0; i < rows_; ++i) ++load_[k][static_cast<std::size_t>(expert_[static_cast<std::size_t>(i)])];
}

void Worker::choose_by_token(const Layer& layer) {
    const auto experts = layer.gate.columns();
    grow(gates_, rows_ * experts);
    layer.gate.run(y_.data(), rows_, gates_.data());
    for (std::int64_t i = 0; i < rows_; ++i) {
        const auto* gate = gates_.data() + i * experts;
        const auto chosen = greatest(gate, experts);
        expert_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(chosen);
        factor_.push_back(softmax_of(gate, experts, chosen));
    }
}

void Worker::choose_by_sentence(const Layer& layer, std::vector<std::int64_t>& load) {
    const auto experts = layer.gate.columns(), width = weights_.config.hidden_size;
    grow(gates_, experts);
    auto& mean = grouped_;  // free until the experts run
    for (std::int64_t b = 0; b < sentences_; ++b) {
        const auto first = starts_[static_cast<std::size_t>(b)], end = starts_[static_cast<std::size_t>(b) + 1];
        std::fill_n(mean.begin(), width, 0.0F);
        for (auto row = first; row < end; ++row)
            for (std::int64_t i = 0; i < width; ++i)
                mean[static_cast<std::size_t>(i)] += y_[static_cast<std::size_t>(row * width + i)];
        for (std::int64_t i = 0; i < width; ++i) mean[static_cast<std::size_t>(i)] /= static_cast<float>(end - first);
        layer.gate.run(mean.data(), 1, gates_.data());
        const auto chosen = greatest(gates_.data(), experts);
        std::fill(expert_.begin() + first, expert_.begin() + end, static_cast<std::int32_t>(chosen));
        factor_.insert(factor_.end(), static_cast<std::size_t>(end - first),
                       softmax_of(gates_.data(), experts, chosen));
        ++load[static_cast<std::size_t>(chosen)];
    }
}

// Rows are grouped by expert, and each expert runs on its own alone.
void Worker::mix_experts(const Layer& layer, std::size_t k) {
    route(layer, k);
    const auto experts = layer.experts.size();
    counts_.assign(experts + 1, 0);
    for (std::int64_t i = 0; i < rows_; ++i)
        ++counts_[static_cast<std::size_t>(expert_[static_cast<std::size_t>(i)]) + 1];
    std::partial_sum(counts_.begin(), counts_.end(), counts_.begin());
    grow(order_, rows_);
    const bool gated = !factor_.empty();
    if (gated) grow(grouped_factor_, rows_);
    auto next = counts_;
    for (std::int64_t i = 0; i < rows_; ++i) {
        const auto at =
            static_cast<std::size_t>(next[static_cast<std::size_t>(expert_[static_cast<std::size_t>(i)])]++);
        order_[at] = static_cast<std::int32_t>(i);
        if (gated) grouped_factor_[at] = factor_[static_cast<std::size_t>(i)];
    }
    for (std::size_t e = 0; e < experts; ++e) {
        const auto first = static_cast<std::size_t>(counts_[e]),
                   size = static_cast<std::size_t>(counts_[e + 1]) - first;
        if (size == 0) continue;
        feed_forward(layer.experts[e], std::span(order_).subspan(first, size),
                     gated ? std::span<const float>(grouped_factor_).subspan(first, size) : std::span<const float>());
    }
}

std::span<const float> Worker::head() {
    const auto width = weights_.config.hidden_size, labels = weights_.head.columns();
    const bool is_pooled = weights_.config.problem_type != ProblemType::question_answering;
    const auto items = is_pooled ? sentences_ : rows_;
    grow(logits_, items * labels);
    if (!is_pooled) {
        weights_.head.run(x_.data(), rows_, logits_.data());
        return std::span(logits_).first(static_cast<std::size_t>(items * labels));
    }
    if (rows_ != sentences_)  // else they are the first rows already
        for (std::int64_t b = 0; b < sentences_; ++b)
            std::copy_n(x_.data() + starts_[static_cast<std::size_t>(b)] * width, width, x_.data() + b * width);
    weights_.pooler.run(x_.data(), sentences_, y_.data());
    weights_.head.run(y_.data(), sentences_, logits_.data());
    return std::span(logits_).first(static_cast<std::size_t>(items * labels));
}

}  // namespace moebert::engine
