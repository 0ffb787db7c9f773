// How equally a training run uses the experts: the weight of the load-balancing loss, and a warning where one expert
// takes nearly all of a layer's tokens.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/expert_load.h"
#include "core/sink.h"
#include "io/model_config.h"

namespace moebert {

// --load_balance: a number, or "auto". Auto begins at kLeast. It follows the loads of the last steps (older ones count
// less and less): after a step at which some expert's share of its layer is above the bound the weight grows by a
// tenth, up to kMost; else it falls slowly back. That depends on the loads alone, which are the same in all processes.
class LoadBalance {
public:
    static constexpr double kLeast = 0.01, kMost = 1.0;

    // Throws a UsageError that names load_balance.
    explicit LoadBalance(const std::string& option);

    double weight() const { return weight_; }
    bool is_auto() const { return is_auto_; }
    nlohmann::json setting() const;  // "auto" or the number: a resumed run needs the same

    // After each step, with its load of all processes.
    void observe(const ExpertLoad& load);

    // For a checkpoint, and from it.
    nlohmann::json state() const;
    void restore(const nlohmann::json& state, const ModelConfig& config);

private:
    bool is_auto_ = false;
    double weight_ = 0.0;
    std::vector<std::vector<double>> recent_;  // (L, N)
};

// The largest share that `auto` leaves an expert: twice the equal share, at most two thirds.
double balanced_share(std::size_t experts);

// Warns where one expert takes most of a layer's tokens: once while training, and again at the end if that is still so.
class LoadWatch {
public:
    LoadWatch(const ModelConfig& config, const Sink& sink) : config_(config), sink_(sink) {}

    void observe(const ExpertLoad& load, std::int64_t step);
    void finish(std::int64_t step);

private:
    void judge(std::int64_t step);

    const ModelConfig& config_;
    const Sink& sink_;
    ExpertLoad load_, last_;  // of the steps so far, and of the span of steps before them
    std::int64_t steps_ = 0;
    bool has_settled_ = false, has_warned_ = false;
};

}  // namespace moebert
