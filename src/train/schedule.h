// Learning rate over the steps of a run, as Hugging Face's schedulers of the same names.
#pragma once

#include <cstdint>
#include <string>

#include "train/options.h"

namespace moebert {

class Schedule {
public:
    // Throws a UsageError for an unknown lr_scheduler_type.
    Schedule(const TrainOptions& options, std::int64_t total_steps);

    double learning_rate(std::int64_t step) const;  // of step 0, 1, ...

private:
    double factor(double step) const;

    enum class Kind { linear, cosine, constant } kind_;
    double peak_, warmup_, total_;
};

}  // namespace moebert
