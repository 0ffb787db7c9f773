// Inference with a checkpoint, dense or mixture of experts, without libtorch.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/linear.h"
#include "io/checkpoint.h"
#include "tasks/features.h"

namespace moebert::engine {

struct EngineOptions {
    Precision precision = Precision::fp32;
    std::int64_t threads = 0;  // 0: one a core
    // A thread takes sentences of so many tokens at a time, or one longer sentence; and at most so many (0: any
    // number).
    std::int64_t max_tokens = 512, max_sentences = 0;
};

struct EngineResult {
    std::vector<float>
        logits;  // (examples, labels), or (tokens, 2) for question answering, in the order of the features
    double seconds = 0.0;
    std::int64_t tokens = 0;
    std::vector<std::vector<std::int64_t>> expert_load;  // (L, N); empty for a dense model
};

class Engine {
public:
    // Packs the weights; the checkpoint may go afterwards. Throws a UsageError for a precision that the processor
    // lacks.
    Engine(const Checkpoint& checkpoint, const EngineOptions& options);
    ~Engine();

    // Each thread computes sentences of its own, taken by falling length. An example's logits are the same bit for bit
    // whatever else is computed with it, in any order and with any number of threads. `progress` may be empty; it gets
    // the number of examples done.
    EngineResult run(std::span<const Feature> features, const std::function<void(std::int64_t)>& progress = {});

    const ModelConfig& config() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace moebert::engine
