#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace moebert {
namespace {

constexpr double kPolynomialEnd = 1e-7;  // the learning rate after the last step

}  // namespace

Schedule::Schedule(const TrainOptions& options, std::int64_t total_steps)
    : peak_(options.learning_rate), total_(static_cast<double>(total_steps)) {
    const auto& type = options.lr_scheduler_type;
    if (type == "linear")
        kind_ = Kind::linear;
    else if (type == "cosine" || type == "cosine_with_restarts")  // of one cycle, which is the same
        kind_ = Kind::cosine;
    else if (type == "polynomial")
        kind_ = Kind::polynomial;
    else if (type == "constant" || type == "constant_with_warmup")
        kind_ = Kind::constant;
    else
        fail_usage(
            "lr_scheduler_type: '{}' is unknown; expected linear, cosine, cosine_with_restarts, polynomial, constant "
            "or "
            "constant_with_warmup",
            type);
    if (kind_ == Kind::polynomial && !(peak_ > kPolynomialEnd))
        fail_usage("learning_rate: {} given; lr_scheduler_type polynomial, which falls to {}, expects more than that",
                   peak_, kPolynomialEnd);
    const bool steps = options.warmup_steps > 0;
    warmup_ = steps ? static_cast<double>(options.warmup_steps) : std::ceil(options.warmup_ratio * total_);
    if (type == "constant") warmup_ = 0;
}

double Schedule::learning_rate(std::int64_t step) const { return peak_ * factor(static_cast<double>(step)); }

double Schedule::factor(double step) const {
    if (step < warmup_) return step / std::max(1.0, warmup_);
    if (kind_ == Kind::constant) return 1.0;
    const double done = std::min(1.0, (step - warmup_) / std::max(1.0, total_ - warmup_));
    if (kind_ == Kind::cosine) return 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    const double end = kind_ == Kind::polynomial ? kPolynomialEnd / peak_ : 0.0;
    return (1.0 - end) * (1.0 - done) + end;
}

std::int64_t resolve_steps(double steps, std::int64_t total_steps) {
    return static_cast<std::int64_t>(steps < 1 ? std::ceil(steps * static_cast<double>(total_steps)) : steps);
}

}  // namespace moebert
