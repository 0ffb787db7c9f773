// The factor of the loss in float16, whose gradients would be zero without one (Micikevicius et al. 2018).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace moebert {

// Halved after a step whose gradients overflowed, which is left out, and doubled after 2000 that did not.
class LossScale {
public:
    // 1 in other precisions, for good.
    explicit LossScale(bool is_needed) : factor_(is_needed ? 65536.0 : 1.0), is_needed_(is_needed) {}

    double factor() const { return factor_; }
    std::int64_t finite_steps() const { return finite_steps_; }
    void restore(double factor, std::int64_t finite_steps) {
        factor_ = factor;
        finite_steps_ = finite_steps;
    }

    // Whether a step with gradients of this norm was left out and training can go on: a smaller factor is left to try.
    bool absorbs(double norm) {
        if (!is_needed_) return false;
        if (!std::isfinite(norm)) {
            finite_steps_ = 0;
            factor_ /= 2.0;
            return factor_ >= 1.0;
        }
        if (++finite_steps_ % 2000 == 0) factor_ = std::min(factor_ * 2.0, 16777216.0);
        return false;
    }

private:
    double factor_;
    std::int64_t finite_steps_ = 0;  // since the last that was not
    bool is_needed_;
};

}  // namespace moebert
