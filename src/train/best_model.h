// Which of a run's models is the best by a metric of the validation split. With load_best_model_at_end a copy of it is
// in the output folder's checkpoint-best, and a record of which one that is beside its files.
#pragma once

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/sink.h"
#include "train/trainer.h"

namespace moebert {

class BestModel {
public:
    // All three outlive it.
    BestModel(const TrainingJob& job, const TrainOptions& options, const Sink& sink)
        : job_(job), options_(options), sink_(sink) {}

    // After an evaluation: the job's model is the best one if its metric is better than all before. Throws a UsageError
    // when there is no such metric.
    void judge(const Metrics& metrics, std::int64_t step);
    // Whether early_stopping_patience evaluations have been no better.
    bool is_patience_over() const;

    double value() const { return value_; }      // of the metric; NaN: none yet
    std::int64_t step() const { return step_; }  // after which it was the best; -1: none yet

    // For a checkpoint's state, and from it. What is restored doesn't count, and a warning says so, where it was chosen
    // by another metric or is no longer there; with no step to come (`is_last`) that is an Error.
    nlohmann::json state() const;
    void restore(const nlohmann::json& state, bool is_last);

    // The job's model, which is that of step `last`, becomes the best one, in all processes.
    void load(std::int64_t last) const;

private:
    std::string metric() const;
    std::filesystem::path directory() const;
    std::string record() const;
    bool is_there() const;
    void forget(const std::string& reason, bool is_last);
    void save() const;

    const TrainingJob& job_;
    const TrainOptions& options_;
    const Sink& sink_;
    double value_ = NAN;
    std::int64_t step_ = -1;
    std::int64_t worse_ = 0;  // evaluations since
};

}  // namespace moebert
