#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "core/error.h"
#include "engine/forward.h"
#include "tasks/feature_set.h"

namespace moebert::engine {
namespace {

// Indices of features: by falling length, cut into batches.
struct Plan {
    std::vector<std::size_t> order;
    std::vector<std::size_t> starts;  // of batches in `order`, and its size
};

Plan plan_batches(std::span<const Feature> features, const EngineOptions& options) {
    Plan plan{std::vector<std::size_t>(features.size()), {}};
    std::iota(plan.order.begin(), plan.order.end(), std::size_t{0});
    std::ranges::stable_sort(plan.order, std::greater(), [&](std::size_t i) { return features[i].input_ids.size(); });
    std::int64_t tokens = options.max_tokens, sentences = 0;
    for (std::size_t i = 0; i < plan.order.size(); ++i) {
        const auto length = std::ssize(features[plan.order[i]].input_ids);
        const bool is_full = options.max_sentences > 0 && sentences == options.max_sentences;
        if (is_full || tokens + length > options.max_tokens) {
            plan.starts.push_back(i);
            tokens = sentences = 0;
        }
        tokens += length;
        ++sentences;
    }
    plan.starts.push_back(plan.order.size());
    return plan;
}

void add(std::vector<std::vector<std::int64_t>>& sum, const std::vector<std::vector<std::int64_t>>& load) {
    sum.resize(load.size());
    for (std::size_t k = 0; k < load.size(); ++k) {
        sum[k].resize(load[k].size());
        std::transform(load[k].begin(), load[k].end(), sum[k].begin(), sum[k].begin(), std::plus<>());
    }
}

}  // namespace

struct Engine::State {
    EngineOptions options;
    Weights weights;
    std::vector<std::unique_ptr<Worker>> workers;
};

Engine::Engine(const Checkpoint& checkpoint, const EngineOptions& options) : state_(std::make_unique<State>()) {
    if (options.threads < 0) fail_usage("num_threads: {} given; expected 0 or more", options.threads);
    if (options.max_tokens < 1) fail_usage("max_tokens: {} given; expected at least 1", options.max_tokens);
    if (options.max_sentences < 0) fail_usage("batch size: {} given; expected 0 (any) or more", options.max_sentences);
    if (!is_supported(options.precision))
        fail_usage("precision {}: this processor has no such matrix products", to_string(options.precision));
    state_->options = options;
    const auto cores = std::max(1U, std::thread::hardware_concurrency());
    const auto threads = options.threads > 0 ? static_cast<std::size_t>(options.threads) : cores;
    std::exception_ptr error;
    // In a thread of its own, whose number of OpenMP threads can be set without a trace.
    std::jthread([&] {
        try {
            use_one_thread();
            state_->weights = pack_weights(checkpoint, options.precision);
        } catch (...) {
            error = std::current_exception();
        }
    }).join();
    if (error) std::rethrow_exception(error);
    for (std::size_t i = 0; i < threads; ++i) state_->workers.push_back(std::make_unique<Worker>(state_->weights));
}

Engine::~Engine() = default;

const ModelConfig& Engine::config() const { return state_->weights.config; }

EngineResult Engine::run(std::span<const Feature> features, const std::function<void(std::int64_t)>& progress) {
    const auto start = std::chrono::steady_clock::now();
    const auto plan = plan_batches(features, state_->options);
    const auto logits = logit_starts(features, config());
    EngineResult result;
    result.logits.resize(logits.back());
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;  // of what follows
    std::int64_t done = 0;
    std::exception_ptr error;
    const auto batches = plan.starts.size() - 1;
    const auto compute = [&](Worker& worker) {
        use_one_thread();
        std::vector<const Feature*> sentences;
        for (auto batch = next++; batch < batches; batch = next++) {
            sentences.clear();
            for (auto i = plan.starts[batch]; i < plan.starts[batch + 1]; ++i)
                sentences.push_back(&features[plan.order[i]]);
            const float* from = worker.run(sentences).data();
            for (auto i = plan.starts[batch]; i < plan.starts[batch + 1]; ++i) {
                const auto index = plan.order[i];
                std::copy_n(from, logits[index + 1] - logits[index], result.logits.data() + logits[index]);
                from += logits[index + 1] - logits[index];
            }
            const std::lock_guard lock(mutex);
            done += std::ssize(sentences);
            add(result.expert_load, worker.expert_load());
            if (progress) progress(done);
        }
    };
    const auto work = [&](Worker& worker) {
        try {
            compute(worker);
        } catch (...) {
            const std::lock_guard lock(mutex);
            if (!error) error = std::current_exception();
            next = batches;
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < std::min(state_->workers.size(), batches); ++i)
            threads.emplace_back(work, std::ref(*state_->workers[i]));
    }
    if (error) std::rethrow_exception(error);
    for (const auto& feature : features) result.tokens += std::ssize(feature.input_ids);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace moebert::engine
