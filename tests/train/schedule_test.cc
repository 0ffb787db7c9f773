#include "train/schedule.h"

#include <cmath>

#include "io/support.h"

namespace moebert {
namespace {

// The learning rates of steps 0, 1, ..., as Hugging Face's schedulers of the same names give them.
std::vector<double> rates(TrainOptions options, std::int64_t total) {
    options.learning_rate = 1.0;
    const Schedule schedule(options, total);
    std::vector<double> found;
    for (std::int64_t step = 0; step < total; ++step) found.push_back(schedule.learning_rate(step));
    return found;
}

void expect_rates(const std::vector<double>& found, const std::vector<double>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-12) << "step " << i;
}

TrainOptions of_type(const char* type) {
    TrainOptions options;
    options.lr_scheduler_type = type;
    return options;
}

TEST(Schedule, LinearFallsToZeroAfterTheLastStep) { expect_rates(rates(of_type("linear"), 4), {1.0, 0.75, 0.5, 0.25}); }

TEST(Schedule, LinearRisesThroughTheWarmUpFirst) {
    auto options = of_type("linear");
    options.warmup_steps = 2;
    expect_rates(rates(options, 6), {0.0, 0.5, 1.0, 0.75, 0.5, 0.25});
}

TEST(Schedule, CosineFallsAlongHalfAWave) {
    expect_rates(rates(of_type("cosine"), 4), {1.0, 0.5 + 0.5 * std::sqrt(0.5), 0.5, 0.5 - 0.5 * std::sqrt(0.5)});
}

TEST(Schedule, ConstantHasNoWarmUpAndConstantWithWarmUpHas) {
    auto options = of_type("constant");
    options.warmup_steps = 2;
    expect_rates(rates(options, 4), {1.0, 1.0, 1.0, 1.0});
    options.lr_scheduler_type = "constant_with_warmup";
    expect_rates(rates(options, 4), {0.0, 0.5, 1.0, 1.0});
}

TEST(Schedule, WarmUpRatioIsRoundedUpAndStepsGoFirst) {
    auto options = of_type("constant_with_warmup");
    options.warmup_ratio = 0.3;  // of 5: 1.5, which is 2
    expect_rates(rates(options, 5), {0.0, 0.5, 1.0, 1.0, 1.0});
    options.warmup_steps = 1;
    expect_rates(rates(options, 5), {0.0, 1.0, 1.0, 1.0, 1.0});
}

TEST(Schedule, WarmUpMayTakeAllSteps) {
    auto options = of_type("linear");
    options.warmup_ratio = 1.0;
    expect_rates(rates(options, 4), {0.0, 0.25, 0.5, 0.75});
}

// 0.5 (1 + cos(pi ((cycles progress) mod 1))) of one cycle.
TEST(Schedule, CosineWithRestartsOfOneCycleIsTheCosine) {
    auto options = of_type("cosine_with_restarts");
    options.warmup_steps = 1;
    expect_rates(rates(options, 5), {0.0, 1.0, 0.5 + 0.5 * std::sqrt(0.5), 0.5, 0.5 - 0.5 * std::sqrt(0.5)});
}

// (rate - end) (1 - progress) + end, with end = 1e-7.
TEST(Schedule, PolynomialFallsToItsEndInAStraightLine) {
    auto options = of_type("polynomial");
    options.warmup_steps = 2;
    const double range = 1.0 - 1e-7;
    expect_rates(rates(options, 6), {0.0, 0.5, 1.0, 0.75 * range + 1e-7, 0.5 * range + 1e-7, 0.25 * range + 1e-7});
    options.learning_rate = 2e-5;
    const Schedule schedule(options, 6);
    EXPECT_DOUBLE_EQ(schedule.learning_rate(4), 0.5 * (2e-5 - 1e-7) + 1e-7);
    EXPECT_DOUBLE_EQ(schedule.learning_rate(6), 1e-7);
    options.learning_rate = 1e-7;
    EXPECT_ERROR(Schedule(options, 6), "learning_rate: 1e-07 given; lr_scheduler_type polynomial");
}

TEST(Schedule, RefusesATypeItDoesNotKnow) {
    EXPECT_ERROR(rates(of_type("inverse_sqrt"), 4), "lr_scheduler_type: 'inverse_sqrt' is unknown; expected linear");
}

TEST(ResolveSteps, TakesAShareOfAllStepsRoundedUp) {
    EXPECT_EQ(resolve_steps(500, 10), 500);
    EXPECT_EQ(resolve_steps(1, 10), 1);
    EXPECT_EQ(resolve_steps(0.25, 10), 3);
    EXPECT_EQ(resolve_steps(0.001, 10), 1);
}

}  // namespace
}  // namespace moebert
