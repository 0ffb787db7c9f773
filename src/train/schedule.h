// Learning rate over the steps of a run, as Hugging Face's schedulers of the same names.
#pragma once

#include <cstdint>
#include <string>

#include "train/options.h"

namespace moebert {

class Schedule {
public:
    // Throws a UsageError for an unknown lr_scheduler_type, or a learning rate that it can't have.
    Schedule(const TrainOptions& options, std::int64_t total_steps);

    double learning_rate(std::int64_t step) const;  // of step 0, 1, ...

private:
    double factor(double step) const;

    enum class Kind { linear, cosine, polynomial, constant } kind_;
    double peak_, warmup_, total_;
};

// How many steps a number of steps means: below 1 a share of all, rounded up.
std::int64_t resolve_steps(double steps, std::int64_t total_steps);

}  // namespace moebert
