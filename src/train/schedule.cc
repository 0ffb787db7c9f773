#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace moebert {

Schedule::Schedule(const TrainOptions& options, std::int64_t total_steps)
    : peak_(options.learning_rate), total_(static_cast<double>(total_steps)) {
    const auto& type = options.lr_scheduler_type;
    if (type == "linear")
        kind_ = Kind::linear;
    else if (type == "cosine")
        kind_ = Kind::cosine;
    else if (type == "constant" || type == "constant_with_warmup")
        kind_ = Kind::constant;
    else
        fail_usage("lr_scheduler_type: '{}' is unknown; expected linear, cosine, constant or constant_with_warmup",
                   type);
    const bool steps = options.warmup_steps > 0;
    warmup_ = steps ? static_cast<double>(options.warmup_steps) : std::ceil(options.warmup_ratio * total_);
    if (type == "constant") warmup_ = 0;
}

double Schedule::learning_rate(std::int64_t step) const { return peak_ * factor(static_cast<double>(step)); }

double Schedule::factor(double step) const {
    if (step < warmup_) return step / std::max(1.0, warmup_);
    if (kind_ == Kind::constant) return 1.0;
    const double done = std::min(1.0, (step - warmup_) / std::max(1.0, total_ - warmup_));
    return kind_ == Kind::linear ? 1.0 - done : 0.5 * (1.0 + std::cos(std::numbers::pi * done));
}

}  // namespace moebert
