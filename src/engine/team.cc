#include "engine/team.h"

#include <algorithm>

namespace moebert::engine {
namespace {

// An int8 layer's bytes are known when all columns of a row are: its parts result in floats.
Result shared_result(Result result, Precision precision) {
    return precision == Precision::int8 && result == Result::operand ? Result::fp32 : result;
}

}  // namespace

SharedLinear::SharedLinear(const Linear& linear, std::int64_t members, Result result)
    : members_(members),
      inner_(linear.weights().inner),
      columns_(linear.weights().columns),
      parts_(linear.cut(members, shared_result(result, linear.weights().precision))) {
    if (parts_.empty()) parts_.push_back(linear.with(shared_result(result, linear.weights().precision)));
}

template <class T>
double SharedLinear::run(std::int64_t member, const OperandRows& x, std::int64_t first, std::int64_t rows, T* y,
                         Buffer<T>& work) const {
    if (parts_.size() == 1) {
        const auto begin = rows * member / members_, end = rows * (member + 1) / members_;
        parts_.front().run(x.from(first + begin), end - begin, y + begin * columns_);
        return 2.0 * static_cast<double>((end - begin) * inner_ * columns_);
    }
    std::int64_t column = 0;
    for (std::int64_t i = 0; i < member; ++i) column += parts_[at(i)].weights().columns;
    const auto& part = parts_[at(member)];
    const auto columns = part.weights().columns;
    const auto block = rows_a_block(rows, part.weights().precision);
    grow(work, block * columns);
    for (std::int64_t from = 0; from < rows; from += block) {
        const auto count = std::min(block, rows - from);
        part.run(x.from(first + from), count, work.data());
        for (std::int64_t r = 0; r < count; ++r)
            std::copy_n(work.data() + r * columns, columns, y + (from + r) * columns_ + column);
    }
    return 2.0 * static_cast<double>(rows * inner_ * columns);
}

Team::Team(const Weights& weights, std::int64_t size)
    : weights_(weights),
      size_(size),
      meeting_(size),
      x_(weights.precision, weights.config.hidden_size),
      y_(weights.precision, weights.config.hidden_size),
      context_(weights.precision, weights.config.hidden_size),
      hidden_(weights.precision, feed_forward_width(weights.config)) {
    for (const auto& layer : weights.layers) {
        SharedLayer shared{SharedLinear(layer.qkv, size, weights.rounds_attention ? Result::bf16 : Result::fp32),
                           SharedLinear(layer.attention_output, size),
                           {}};
        for (const auto& expert : layer.experts)
            shared.experts.push_back({SharedLinear(expert.up, size, Result::operand), SharedLinear(expert.down, size)});
        layers_.push_back(std::move(shared));
    }
    for (std::int64_t i = 0; i < size; ++i) members_.emplace_back(weights);
}

double Team::operations() const {
    double sum = 0.0;
    for (const auto& member : members_) sum += member.operations;
    return sum;
}

// All members have done their parts of what was to be done.
void Team::meet(std::int64_t member, Part part) {
    meeting_.wait_for_all();
    if (member == 0) laps_.end(part);
}

void Team::prepare(const Feature& sentence) {
    const auto& c = weights_.config;
    tokens_ = std::ssize(sentence.input_ids);
    for (auto* states : {&x_, &y_, &context_}) states->reserve(tokens_);
    hidden_.reserve(tokens_);
    grow(output_, tokens_ * c.hidden_size);
    if (weights_.rounds_attention)
        grow(qkv_bf16_, 3 * tokens_ * c.hidden_size);
    else
        grow(qkv_, 3 * tokens_ * c.hidden_size);
    if (weights_.precision == Precision::int8) grow(hidden_values_, tokens_ * hidden_.width());
    grow(logits_, tokens_ * weights_.head.weights().columns);
    laps_.start();
}

std::span<const float> Team::run(const Feature& sentence, std::int64_t member) {
    meeting_.wait_for_all();  // nobody reads the last sentence any more
    if (member == 0) prepare(sentence);
    meeting_.wait_for_all();
    embed(sentence, member);
    for (std::size_t k = 0; k < layers_.size(); ++k) {
        attend(k, member, looks_at_all(weights_.config) ? tokens_ : left(k));
        if (weights_.config.moe) {
            route(k, sentence, member);
            mix_experts(k, member);
        } else {
            feed_forward(k, member);
        }
        meet(member, Part::feed_forward);
    }
    return head(member);
}

void Team::embed(const Feature& sentence, std::int64_t member) {
    auto& work = members_[at(member)].work;
    grow(work, weights_.config.hidden_size);
    const auto [first, last] = own(member, tokens_);
    for (auto row = first; row < last; ++row) embed_token(weights_, sentence, row, work.data(), x_, row);
    meet(member, Part::embeddings);
}

// y = LayerNorm(attention(x) + x), of the first `rows`.
void Team::attend(std::size_t k, std::int64_t member, std::int64_t rows) {
    const auto& c = weights_.config;
    auto& me = members_[at(member)];
    if (weights_.rounds_attention)
        me.operations += layers_[k].qkv.run(member, x_.operand(), 0, tokens_, qkv_bf16_.data(), me.halves);
    else
        me.operations += layers_[k].qkv.run(member, x_.operand(), 0, tokens_, qkv_.data(), me.floats);
    meet(member, Part::query_key_value);

    const auto heads = own(member, c.num_attention_heads);
    const AttentionPart part{0, rows, heads.first, heads.last};
    grow(me.work, attend_work(weights_, tokens_));
    const auto run = [&](const auto* qkv) {
        attend_sentence(weights_, qkv, tokens_, part, me.work.data(), context_, 0);
    };
    weights_.rounds_attention ? run(qkv_bf16_.data()) : run(qkv_.data());
    meet(member, Part::attention);

    const auto [first, last] = own(member, rows);
    if (!weights_.rounds_context()) {
        context_.round(first, last - first);
        meet(member, Part::attention_output);
    }
    me.operations += layers_[k].attention_output.run(member, context_.operand(), 0, rows, output_.data(), me.floats);
    meet(member, Part::attention_output);
    for (auto row = first; row < last; ++row)
        y_.set_layer_norm(row, output_.data() + row * c.hidden_size, x_.row(row),
                          weights_.layers[k].attention_norm.view());
    meet(member, Part::attention_output);
}

void Team::feed_forward(std::size_t k, std::int64_t member) {
    const auto& expert = layers_[k].experts.front();
    up(expert, member, 0, left(k), y_.operand());
    finish_up(member, left(k));
    down(expert, member, 0, left(k));
    meet(member, Part::feed_forward);
    const auto [first, last] = own(member, left(k));
    for (auto row = first; row < last; ++row) finish_row(weights_.layers[k].experts.front(), row, row, 1.0F);
}

// Every member finds out for itself.
void Team::route(std::size_t k, const Feature& sentence, std::int64_t member) {
    const auto& c = weights_.config;
    auto& me = members_[at(member)];
    me.load.resize(layers_.size());
    const auto& layer = weights_.layers[k];
    if (layer.shares_table && left(k) == tokens_) {
        me.load[k] = me.load[k - 1];
    } else {
        const auto seen = looks_at_all(c) ? tokens_ : left(k);
        const std::int64_t starts[] = {0, seen};
        me.router.choose(c, layer, 0, std::span(sentence.input_ids).first(at(seen)), starts, y_.row(0));
        me.router.count(c, seen, starts, me.load[k]);
        me.router.group(c, left(k));
    }
    if (member == 0) laps_.end(Part::routing);
}

void Team::mix_experts(std::size_t k, std::int64_t member) {
    auto& me = members_[at(member)];
    const auto& experts = layers_[k].experts;
    me.gathered.reserve(tokens_);
    for (std::size_t e = 0; e < experts.size(); ++e) {
        const auto rows = me.router.rows(e);
        for (std::size_t i = 0; i < rows.size(); ++i)
            me.gathered.copy(static_cast<std::int64_t>(i), y_.operand(), rows[i]);
        up(experts[e], member, me.router.start(e), std::ssize(rows), me.gathered);
    }
    finish_up(member, left(k));
    for (std::size_t e = 0; e < experts.size(); ++e)
        down(experts[e], member, me.router.start(e), std::ssize(me.router.rows(e)));
    meet(member, Part::feed_forward);
    const auto [first, last] = own(member, left(k));
    for (std::size_t e = 0; e < experts.size(); ++e) {
        const auto rows = me.router.rows(e);
        const auto factors = me.router.factors(e);
        const auto start = me.router.start(e);
        for (auto i = std::max(first, start); i < std::min(last, start + std::ssize(rows)); ++i)
            finish_row(weights_.layers[k].experts[e], i, rows[at(i - start)],
                       factors.empty() ? 1.0F : factors[at(i - start)]);
    }
}

// Rows from `first` on of the feed-forward layer's wide results, from as many of x.
void Team::up(const SharedFeedForward& expert, std::int64_t member, std::int64_t first, std::int64_t rows,
              const OperandRows& x) {
    auto& me = members_[at(member)];
    const auto place = first * hidden_.width();
    if (weights_.precision == Precision::fp32)
        me.operations += expert.up.run(member, x, 0, rows, static_cast<float*>(hidden_.data(first)), me.floats);
    else if (weights_.precision == Precision::bf16)
        me.operations += expert.up.run(member, x, 0, rows, static_cast<bf16_bits*>(hidden_.data(first)), me.halves);
    else
        me.operations += expert.up.run(member, x, 0, rows, hidden_values_.data() + place, me.floats);
}

// Makes them operands.
void Team::finish_up(std::int64_t member, std::int64_t rows) {
    meet(member, Part::feed_forward);
    if (weights_.precision != Precision::int8) return;
    const auto [first, last] = own(member, rows);
    hidden_.set(first, last - first, hidden_values_.data() + first * hidden_.width());
    meet(member, Part::feed_forward);
}

void Team::down(const SharedFeedForward& expert, std::int64_t member, std::int64_t first, std::int64_t rows) {
    auto& me = members_[at(member)];
    me.operations +=
        expert.down.run(member, hidden_, first, rows, output_.data() + first * weights_.config.hidden_size, me.floats);
}

// The layer's output for a row, whose feed-forward result is at `place`.
void Team::finish_row(const FeedForward& expert, std::int64_t place, std::int64_t row, float factor) {
    x_.set_layer_norm(row, output_.data() + place * weights_.config.hidden_size, y_.row(row), expert.norm.view(),
                      factor);
}

// By the first member alone: it is little.
std::span<const float> Team::head(std::int64_t member) {
    if (member != 0) return {};
    load_ = members_.front().load;
    const auto labels = weights_.head.weights().columns;
    const bool pools = is_pooled(weights_.config);
    const auto rows = pools ? 1 : tokens_;
    const float* x = x_.row(0);
    if (pools) {
        auto& pooled = members_.front().floats;
        grow(pooled, weights_.config.hidden_size);
        weights_.pooler.run({x, nullptr, nullptr}, 1, pooled.data());
        x = pooled.data();
    }
    weights_.head.run({x, nullptr, nullptr}, rows, logits_.data());
    laps_.end(Part::head);
    return std::span(logits_).first(at(rows * labels));
}

}  // namespace moebert::engine
