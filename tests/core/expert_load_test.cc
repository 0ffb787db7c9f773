#include "core/expert_load.h"

#include <gtest/gtest.h>

namespace moebert {
namespace {

TEST(ExpertLoad, IsAddedUpAndSharedOut) {
    ExpertLoad sum;
    add_load(sum, {{1, 3}, {0, 0}});
    add_load(sum, {{0, 4}, {0, 0}});
    EXPECT_EQ(sum, (ExpertLoad{{1, 7}, {0, 0}}));
    EXPECT_EQ(load_shares(sum), (std::vector<std::vector<double>>{{0.125, 0.875}, {0, 0}}));
}

TEST(ExpertLoad, KnowsTheLargestShareOfAllLayers) {
    const auto largest = largest_share({{5, 5}, {1, 9}, {9, 1}});
    EXPECT_EQ(largest.layer, 1U);
    EXPECT_EQ(largest.expert, 1U);
    EXPECT_EQ(largest.share, 0.9);
    EXPECT_EQ(largest_share({}).share, 0.0);
}

}  // namespace
}  // namespace moebert
