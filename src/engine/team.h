// One sentence computed by several threads together, for latency.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/forward.h"
#include "engine/meeting.h"

namespace moebert::engine {

// A linear layer of which every member of a team computes some columns, so that all of them together read its weights
// once; or some rows, where its columns can't be cut.
class SharedLinear {
public:
    SharedLinear(const Linear& linear, std::int64_t members, Result result = Result::fp32);

    // What `member` computes of y, (rows, columns), for the rows of x from `first` on. T is what the layer results in:
    // float, or bf16_bits. `work` is the member's own. Returns its operations.
    template <class T>
    double run(std::int64_t member, const OperandRows& x, std::int64_t first, std::int64_t rows, T* y,
               Buffer<T>& work) const;

private:
    std::int64_t members_ = 1, inner_ = 0, columns_ = 0;
    std::vector<Linear> parts_;  // one: the whole
};

class Team {
public:
    Team(const Weights& weights, std::int64_t size);

    // The sentence's logits, the same bits as a Worker's, valid until the next call. To be called by all members at
    // once, each with a number of its own; nothing is allocated after the longest sentence.
    std::span<const float> run(const Feature& sentence, std::int64_t member);
    // By a member that failed: the others' calls throw Meeting::Left, and the team is of no more use.
    void leave() { meeting_.leave(); }

    std::int64_t size() const { return size_; }
    // As a Worker's.
    const ExpertLoad& expert_load() const { return load_; }
    const PartSeconds& seconds() const { return laps_.seconds(); }
    double operations() const;

private:
    struct SharedFeedForward {
        SharedLinear up, down;
    };
    struct SharedLayer {
        SharedLinear qkv, attention_output;
        std::vector<SharedFeedForward> experts;
    };
    // What a member has for itself.
    struct Member {
        explicit Member(const Weights& weights) : gathered(weights.precision, weights.config.hidden_size) {}
        Router router;
        OperandRows gathered;  // an expert's rows
        Buffer<float> floats, work;
        Buffer<bf16_bits> halves;
        ExpertLoad load;
        double operations = 0.0;
    };
    // Some rows: each member's are its own.
    struct Rows {
        std::int64_t first, last;
    };

    void prepare(const Feature& sentence);
    void embed(const Feature& sentence, std::int64_t member);
    void attend(std::size_t k, std::int64_t member, std::int64_t rows);
    void route(std::size_t k, const Feature& sentence, std::int64_t member);
    void feed_forward(std::size_t k, std::int64_t member);
    void mix_experts(std::size_t k, std::int64_t member);
    void up(const SharedFeedForward& expert, std::int64_t member, std::int64_t first, std::int64_t rows,
            const OperandRows& x);
    void finish_up(std::int64_t member, std::int64_t rows);
    void down(const SharedFeedForward& expert, std::int64_t member, std::int64_t first, std::int64_t rows);
    void finish_row(const FeedForward& expert, std::int64_t place, std::int64_t row, float factor);
    std::span<const float> head(std::int64_t member);
    void meet(std::int64_t member, Part part);
    Rows own(std::int64_t member, std::int64_t rows) const {
        return {rows * member / size_, rows * (member + 1) / size_};
    }
    // The rows that a layer computes after attention: all, or the first one alone.
    std::int64_t left(std::size_t k) const {
        return is_pooled(weights_.config) && k + 1 == layers_.size() ? 1 : tokens_;
    }

    const Weights& weights_;
    std::int64_t size_;
    Meeting meeting_;
    std::vector<SharedLayer> layers_;
    std::vector<Member> members_;

    // What all members read and each writes its part of.
    std::int64_t tokens_ = 0;
    States x_, y_, context_;
    OperandRows hidden_;
    Buffer<float> qkv_, output_, hidden_values_, logits_;
    Buffer<bf16_bits> qkv_bf16_;
    ExpertLoad load_;
    Laps laps_;  // of the first member
};

}  // namespace moebert::engine
