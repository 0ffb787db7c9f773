#include "engine/forward.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/attention_bf16.h"

namespace moebert::engine {
namespace {

// Rows of the feed-forward layer at a time, so that its wide results stay in the cache.
constexpr std::int64_t kRowsAtOnce = 128;

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

std::int64_t greatest(const float* values, std::int64_t count) {
    return std::max_element(values, values + count) - values;
}

// Of the greatest value, after softmax.
float softmax_of(const float* values, std::int64_t count, std::int64_t chosen) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(values[i]) - values[chosen]);
    return static_cast<float>(1.0 / sum);
}

std::int64_t feed_forward_width(const ModelConfig& c) { return c.moe ? c.moe->expert_size : c.intermediate_size; }

bool is_pooled(const ModelConfig& c) { return c.problem_type != ProblemType::question_answering; }

}  // namespace

const char* to_string(Part part) {
    constexpr const char* kNames[kParts] = {"embeddings", "query_key_value", "attention", "attention_output",
                                            "routing",    "feed_forward",    "head"};
    return kNames[static_cast<std::size_t>(part)];
}

Worker::Worker(const Weights& weights)
    : weights_(weights),
      x_(weights.precision, weights.config.hidden_size),
      y_(weights.precision, weights.config.hidden_size),
      context_(weights.precision, weights.config.hidden_size),
      hidden_(weights.precision, feed_forward_width(weights.config)),
      grouped_(weights.precision, weights.config.hidden_size) {}

std::span<const float> Worker::run(std::span<const Feature* const> sentences) {
    team_ = nullptr;
    prepare(sentences);
    begin_ = 0;
    end_ = rows_;
    return compute(sentences);
}

std::span<const float> Worker::run_part(const Feature& sentence, Team& team, std::int64_t index) {
    team_ = &team;
    const Feature* const sentences[] = {&sentence};
    team.barrier.arrive_and_wait();  // nobody reads the last sentence any more
    prepare(sentences);
    begin_ = rows_ * index / team.size;
    end_ = rows_ * (index + 1) / team.size;
    team.barrier.arrive_and_wait();  // the leader's buffers are there
    return compute(sentences);
}

std::size_t Worker::first_logit() const {
    return is_pooled(weights_.config) ? 0 : at(begin_ * weights_.head.weights().columns);
}

std::span<const float> Worker::compute(std::span<const Feature* const> sentences) {
    since_ = std::chrono::steady_clock::now();
    embed(sentences);
    keep_states();
    const auto& config = weights_.config;
    for (std::size_t k = 0; k < weights_.layers.size(); ++k) {
        const auto& layer = weights_.layers[k];
        // A sentence's logits come from its first row: the last layer computes no other then, after attention.
        const bool is_last = k + 1 == weights_.layers.size();
        only_first_ = is_last && is_pooled(config) && !keeps_states_;
        const bool looks_at_all = config.moe && config.moe->route_method == RouteMethod::gate_sentence;
        attend(layer, k, only_first_ && !looks_at_all);
        if (config.moe)
            mix_experts(layer, k);
        else
            feed_forward(layer.experts.front(), {}, {});
        lap(Part::feed_forward);
        keep_states();
    }
    const auto logits = head();
    lap(Part::head);
    return logits;
}

void Worker::lap(Part part) {
    const auto now = std::chrono::steady_clock::now();
    seconds_[static_cast<std::size_t>(part)] += std::chrono::duration<double>(now - since_).count();
    since_ = now;
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
    for (auto* states : {&x_, &y_, &context_}) states->reserve(rows_);
    for (auto* block : {&hidden_, &grouped_}) block->reserve(kRowsAtOnce);
    grow(output_, rows_ * c.hidden_size);
    grow(work_, static_cast<std::int64_t>(weights_.rounds_attention ? attention_bf16_work(longest, c.head_size())
                                                                    : attention_work(longest, c.head_size())));
    if (!team_ || &team_->leader == this) {
        const auto rows = team_ ? rows_ : std::max(longest, kRowsAtOnce);
        for (std::size_t i = 0; i < (team_ ? 2U : 1U); ++i) {
            if (weights_.rounds_attention)
                grow(qkv_bf16_[i], 3 * rows * c.hidden_size);
            else
                grow(qkv_[i], 3 * rows * c.hidden_size);
        }
        if (team_ && c.moe) grow(shared_, rows_ * c.hidden_size);
    }
    if (!c.moe) return;
    load_.resize(weights_.layers.size());
    grow(expert_, rows_);
    grow(order_, rows_);
    grow(factor_, rows_);
    grow(grouped_factor_, rows_);
}

void Worker::embed(std::span<const Feature* const> sentences) {
    const auto width = weights_.config.hidden_size;
    grow(mean_, width);
    for (std::int64_t b = 0; b < sentences_; ++b) {
        const auto& types = sentences[at(b)]->token_type_ids;
        for (auto row = std::max(begin_, starts_[at(b)]); row < std::min(end_, starts_[at(b + 1)]); ++row) {
            const auto t = row - starts_[at(b)];
            const float* word = weights_.words.span.data() + ids_[at(row)] * width;
            const float* position = weights_.positions.span.data() + t * width;
            const float* type = weights_.types.span.data() + types[at(t)] * width;
            for (std::int64_t i = 0; i < width; ++i) mean_[at(i)] = position[i] + type[i];
            add_layer_norm(word, mean_.data(), weights_.embedding_norm.view(), 1.0F, x_.row(row));
            x_.round(row);
        }
    }
    lap(Part::embeddings);
}

// Queries, keys and values of rows [first, last). A team's next layer writes to another place: no worker is more than a
// layer ahead.
void Worker::query_key_value(const Layer& layer, std::size_t k, std::int64_t first, std::int64_t last) {
    auto& owner = team_ ? team_->leader : *this;
    const auto from = x_.operand().from(first);
    const auto buffer = team_ ? k % 2 : 0;
    const auto place = team_ ? 3 * first * weights_.config.hidden_size : 0;
    if (weights_.rounds_attention)
        multiply(layer.qkv, from, last - first, owner.qkv_bf16_[buffer].data() + place);
    else
        multiply(layer.qkv, from, last - first, owner.qkv_[buffer].data() + place);
    if (team_) team_->barrier.arrive_and_wait();
    lap(Part::query_key_value);
}

// `place`: the sentence's first row in the buffer of queries, keys and values.
void Worker::attend_sentence(std::int64_t place, std::int64_t tokens, std::size_t k, Queries queries, float* out) {
    const auto& owner = team_ ? team_->leader : *this;
    const auto& c = weights_.config;
    const auto buffer = team_ ? k % 2 : 0;
    const auto offset = 3 * place * c.hidden_size;
    if (weights_.rounds_attention)
        attention_bf16(owner.qkv_bf16_[buffer].data() + offset, tokens, c.num_attention_heads, c.head_size(), queries,
                       work_.data(), out);
    else
        attention(owner.qkv_[buffer].data() + offset, tokens, c.num_attention_heads, c.head_size(), queries,
                  work_.data(), out);
}

// x becomes y = LayerNorm(attention(x) + x), a few sentences at a time, so that what they need stays in the cache; with
// `only_first` of each sentence's first row alone, in the order of the sentences.
void Worker::attend(const Layer& layer, std::size_t k, bool only_first) {
    for (std::int64_t b = 0; b < sentences_;) {
        const auto first_sentence = b, start = starts_[at(b)];
        while (++b < sentences_ && starts_[at(b + 1)] - start <= kRowsAtOnce) {
        }
        const auto first = std::max(begin_, start), last = std::min(end_, starts_[at(b)]);
        query_key_value(layer, k, first, last);
        for (auto s = first_sentence; s < b; ++s) {
            const auto s_start = starts_[at(s)], tokens = starts_[at(s + 1)] - s_start;
            const auto from = std::max(begin_, s_start),
                       to = std::min(end_, only_first ? s_start + 1 : s_start + tokens);
            if (from >= to) continue;
            attend_sentence(team_ ? s_start : s_start - start, tokens, k, {from - s_start, to - s_start},
                            context_.row(only_first ? s : from));
        }
        lap(Part::attention);
        if (!only_first) finish_attention(layer, first, last);
    }
    if (!only_first) return;
    end_ = begin_ + move_first_rows(x_);
    finish_attention(layer, begin_, end_);
}

void Worker::finish_attention(const Layer& layer, std::int64_t first, std::int64_t last) {
    const auto width = weights_.config.hidden_size;
    context_.round(first, last - first);
    multiply(layer.attention_output, context_.operand().from(first), last - first, output_.data());
    for (auto row = first; row < last; ++row) {
        add_layer_norm(output_.data() + (row - first) * width, x_.row(row), layer.attention_norm.view(), 1.0F,
                       y_.row(row));
        y_.round(row);
    }
    lap(Part::attention_output);
}

// Sentence b's first row moves up to row b, which lies before it, and its token too. Returns how many rows this worker
// has then.
std::int64_t Worker::move_first_rows(States& states) {
    if (begin_ > 0 || end_ == 0) return 0;  // another worker of the team has the first row
    const auto width = weights_.config.hidden_size;
    for (std::int64_t b = 0; b < sentences_; ++b) {
        std::copy_n(states.row(starts_[at(b)]), width, states.row(b));
        ids_[at(b)] = ids_[at(starts_[at(b)])];
    }
    return sentences_;
}

// x[to] = LayerNorm(W2 act(W1 y[to] + b1) + b2 + y[to]) * factor for the rows given; for all of them when empty.
void Worker::feed_forward(const FeedForward& expert, std::span<const std::int32_t> rows,
                          std::span<const float> factor) {
    const auto width = weights_.config.hidden_size;
    const bool all = rows.empty();
    const auto count = all ? end_ - begin_ : std::ssize(rows);
    for (std::int64_t first = 0; first < count; first += kRowsAtOnce) {
        const auto size = std::min(kRowsAtOnce, count - first);
        for (std::int64_t i = 0; !all && i < size; ++i) grouped_.copy(i, y_.operand(), rows[at(first + i)]);
        const auto in = all ? y_.operand().from(begin_ + first) : grouped_.from(0);
        multiply(expert.up, in, size, hidden_);
        multiply(expert.down, hidden_.from(0), size, output_.data());
        for (std::int64_t i = 0; i < size; ++i) {
            const auto row = all ? begin_ + first + i : rows[at(first + i)];
            add_layer_norm(output_.data() + i * width, y_.row(row), expert.norm.view(),
                           factor.empty() ? 1.0F : factor[at(first + i)], x_.row(row));
            x_.round(row);
        }
    }
}

// Sets each row's expert, and for gates the factor of its output.
void Worker::route(const Layer& layer, std::size_t k) {
    const auto& moe = *weights_.config.moe;
    load_[k].assign(at(moe.num_experts), 0);
    if (moe.route_method == RouteMethod::gate_sentence)
        choose_by_sentence(layer);
    else if (moe.route_method == RouteMethod::gate_token)
        choose_by_token(layer);
    else
        for (auto row = begin_; row < end_; ++row) expert_[at(row)] = layer.hash_table.span[at(ids_[at(row)])];
    if (moe.route_method == RouteMethod::gate_sentence) {
        for (std::int64_t b = 0; b < sentences_; ++b)
            if (starts_[at(b)] >= begin_ && starts_[at(b)] < end_) ++load_[k][at(expert_[at(starts_[at(b)])])];
    } else {
        for (auto row = begin_; row < end_; ++row) ++load_[k][at(expert_[at(row)])];
    }
    if (only_first_ && moe.route_method == RouteMethod::gate_sentence) keep_first_rows();
}

void Worker::choose_by_token(const Layer& layer) {
    const auto experts = layer.gate.weights().columns;
    grow(gates_, rows_ * experts);
    multiply(layer.gate, {y_.row(begin_), nullptr, nullptr}, end_ - begin_, gates_.data());
    for (auto row = begin_; row < end_; ++row) {
        const auto* gate = gates_.data() + (row - begin_) * experts;
        const auto chosen = greatest(gate, experts);
        expert_[at(row)] = static_cast<std::int32_t>(chosen);
        factor_[at(row)] = softmax_of(gate, experts, chosen);
    }
}

// y of all of the sentences' rows, those of other workers too.
const float* Worker::all_rows_after_attention() {
    if (!team_) return y_.row(0);
    const auto width = weights_.config.hidden_size;
    float* all = team_->leader.shared_.data();
    std::copy(y_.row(begin_), y_.row(end_), all + begin_ * width);
    team_->barrier.arrive_and_wait();
    return all;
}

void Worker::choose_by_sentence(const Layer& layer) {
    const auto experts = layer.gate.weights().columns, width = weights_.config.hidden_size;
    const float* y = all_rows_after_attention();
    grow(gates_, experts);
    grow(mean_, width);
    for (std::int64_t b = 0; b < sentences_; ++b) {
        const auto first = starts_[at(b)], end = starts_[at(b + 1)];
        std::fill_n(mean_.begin(), width, 0.0F);
        for (auto row = first; row < end; ++row)
            for (std::int64_t i = 0; i < width; ++i) mean_[at(i)] += y[row * width + i];
        for (std::int64_t i = 0; i < width; ++i) mean_[at(i)] /= static_cast<float>(end - first);
        multiply(layer.gate, {mean_.data(), nullptr, nullptr}, 1, gates_.data());
        const auto chosen = greatest(gates_.data(), experts);
        const auto factor = softmax_of(gates_.data(), experts, chosen);
        std::fill(expert_.begin() + first, expert_.begin() + end, static_cast<std::int32_t>(chosen));
        std::fill(factor_.begin() + first, factor_.begin() + end, factor);
    }
}

// For gate-sentence, whose choice looks at all rows, only now.
void Worker::keep_first_rows() {
    const auto kept = move_first_rows(y_);
    for (std::int64_t b = 0; b < kept; ++b) {
        expert_[at(b)] = expert_[at(starts_[at(b)])];
        factor_[at(b)] = factor_[at(starts_[at(b)])];
    }
    end_ = begin_ + kept;
    y_.round(begin_, kept);
}

void Worker::group_rows() {
    expert_starts_.assign(at(weights_.config.moe->num_experts + 1), 0);
    for (auto row = begin_; row < end_; ++row) ++expert_starts_[at(expert_[at(row)]) + 1];
    std::partial_sum(expert_starts_.begin(), expert_starts_.end(), expert_starts_.begin());
    next_ = expert_starts_;
    const bool gated = is_gated(weights_.config.moe->route_method);
    for (auto row = begin_; row < end_; ++row) {
        const auto place = at(next_[at(expert_[at(row)])]++);
        order_[place] = static_cast<std::int32_t>(row);
        if (gated) grouped_factor_[place] = factor_[at(row)];
    }
}

// Rows are grouped by expert, and each expert runs on its own alone.
void Worker::mix_experts(const Layer& layer, std::size_t k) {
    if (layer.shares_table && !only_first_) {
        load_[k] = load_[k - 1];
    } else {
        route(layer, k);
        group_rows();
    }
    lap(Part::routing);
    const bool gated = is_gated(weights_.config.moe->route_method);
    for (std::size_t e = 0; e < layer.experts.size(); ++e) {
        const auto first = at(expert_starts_[e]), size = at(expert_starts_[e + 1]) - first;
        if (size == 0) continue;
        feed_forward(layer.experts[e], std::span(order_).subspan(first, size),
                     gated ? std::span<const float>(grouped_factor_).subspan(first, size) : std::span<const float>());
    }
}

std::span<const float> Worker::head() {
    const auto width = weights_.config.hidden_size, labels = weights_.head.weights().columns;
    if (!is_pooled(weights_.config)) {
        grow(logits_, (end_ - begin_) * labels);
        multiply(weights_.head, {x_.row(begin_), nullptr, nullptr}, end_ - begin_, logits_.data());
        return std::span(logits_).first(at((end_ - begin_) * labels));
    }
    if (begin_ > 0 || end_ == 0) return {};
    if (end_ != sentences_)  // else they are the first rows already
        move_first_rows(x_);
    grow(logits_, sentences_ * labels);
    grow(output_, sentences_ * width);
    multiply(weights_.pooler, {x_.row(0), nullptr, nullptr}, sentences_, output_.data());
    multiply(weights_.head, {output_.data(), nullptr, nullptr}, sentences_, logits_.data());
    return std::span(logits_).first(at(sentences_ * labels));
}

}  // namespace moebert::engine
