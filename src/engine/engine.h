// Inference with a checkpoint, dense or mixture of experts, without libtorch.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/forward.h"
#include "io/checkpoint.h"
#include "tasks/features.h"

namespace moebert::engine {

// How threads share work.
enum class Sharing {
    automatic,  // `columns` where there are fewer sentences than threads
    sentences,  // each has sentences of its own: for throughput
    columns     // all compute each sentence together, each some columns of the layers' results: for latency
};

Sharing parse_sharing(const std::string& name);  // a UsageError for another

struct EngineOptions {
    Precision precision = Precision::fp32;
    std::int64_t threads = 0;  // 0: one a core
    // A thread takes sentences of at most so many tokens at a time, or one longer sentence; and at most so many (0: any
    // number).
    std::int64_t max_tokens = 2048, max_sentences = 0;
    Sharing sharing = Sharing::automatic;
};

struct EngineResult {
    std::vector<float>
        logits;  // (examples, labels), or (tokens, 2) for question answering, in the order of the features
    double seconds = 0.0;
    std::int64_t tokens = 0;
    ExpertLoad expert_load;
};

// May be used by several threads at once: each takes the workers that it needs, or as many as are free, and waits where
// none is.
class Engine {
public:
    // Packs the weights; the checkpoint may go afterwards. Throws a UsageError for a precision that the processor
    // lacks.
    Engine(const Checkpoint& checkpoint, const EngineOptions& options);
    // The precision is the weights'.
    Engine(Weights weights, const EngineOptions& options);
    ~Engine();
    Engine(Engine&&) noexcept;

    // Sentences are taken by falling length. An example's logits are the same bit for bit whatever else is computed
    // with it, in any order, with any number of threads and any sharing. `progress` may be empty; it gets the number of
    // examples done, in one call at a time.
    EngineResult run(std::span<const Feature> features, const std::function<void(std::int64_t)>& progress = {}) const;

    const ModelConfig& config() const;
    const EngineOptions& options() const;  // threads: as many as there are
    const Weights& weights() const;
    // Of all threads since the engine was made; to be asked while nothing runs.
    PartSeconds seconds() const;
    double operations() const;  // of matrix products: two for a multiplication and an addition

private:
    struct State;
    std::unique_ptr<State> state_;
};

// What computes here: "bf16, 2 threads, oneDNN 2.6.3 AVX512_CORE_BF16, vectors AVX3_DL".
std::string description(const Engine& engine);

}  // namespace moebert::engine
