#include "train/loss_scale.h"

#include <gtest/gtest.h>

namespace moebert {
namespace {

TEST(LossScale, IsOneForGoodWhereItIsNotNeeded) {
    LossScale scale(false);
    EXPECT_FALSE(scale.absorbs(INFINITY));
    for (int step = 0; step < 4000; ++step) EXPECT_FALSE(scale.absorbs(1.0));
    EXPECT_EQ(scale.factor(), 1.0);
}

TEST(LossScale, HalvesAfterAnOverflowAndDoublesAfter2000StepsWithout) {
    LossScale scale(true);
    EXPECT_EQ(scale.factor(), 65536.0);
    EXPECT_TRUE(scale.absorbs(NAN));
    EXPECT_EQ(scale.factor(), 32768.0);
    for (int step = 0; step < 1999; ++step) EXPECT_FALSE(scale.absorbs(1.0));
    EXPECT_EQ(scale.factor(), 32768.0);
    LossScale resumed(true);
    resumed.restore(scale.factor(), scale.finite_steps());
    EXPECT_FALSE(resumed.absorbs(1.0));
    EXPECT_EQ(resumed.factor(), 65536.0);
}

TEST(LossScale, GivesUpWhereNoFactorHelps) {
    LossScale scale(true);
    for (int step = 0; step < 16; ++step) EXPECT_TRUE(scale.absorbs(INFINITY)) << step;
    EXPECT_FALSE(scale.absorbs(INFINITY));
}

}  // namespace
}  // namespace moebert
