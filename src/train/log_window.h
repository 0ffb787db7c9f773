// Sums over the steps of a training run since its log's last line.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/expert_load.h"
#include "io/model_config.h"

namespace moebert {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start);        // seconds
Clock::time_point before(double seconds);     // that long ago; an Error for what no run takes
void check_state(bool ok, const char* name);  // an Error for a checkpoint's value that no run can have

// What a step adds to the log, of all processes.
struct StepSums {
    double loss = 0.0;
    std::vector<double> terms;
    ExpertLoad load;
    int signal = 0;  // that any of them has caught
};

struct LogWindow {
    StepSums sums;
    int steps = 0;
    std::int64_t tokens = 0;
    Clock::time_point start = Clock::now();

    void add(const StepSums& step);

    // Means under the names of the log; those of the loss's terms are given.
    nlohmann::json line(const std::vector<std::string>& terms) const;

    // For a checkpoint. What a run of this model and number of terms can't have is an Error that names it.
    nlohmann::json state() const;
    static LogWindow restored(const nlohmann::json& state, std::size_t terms, const ModelConfig& config);
};

// Whether the load has the layers and experts of the model, or is none.
bool fits(const ExpertLoad& load, const ModelConfig& config);

}  // namespace moebert
