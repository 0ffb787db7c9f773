#include "train/epoch_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace moebert {
namespace {

using Order = std::vector<std::int64_t>;

Order lengths_in(const Order& order, const Order& lengths) {
    Order found;
    for (const auto i : order) found.push_back(lengths[static_cast<std::size_t>(i)]);
    return found;
}

TEST(EpochOrder, IsAPermutationOfItsOwnForEverySeedAndEpoch) {
    Order all(100);
    std::iota(all.begin(), all.end(), 0);
    const auto order = epoch_order(100, 1, 0);
    EXPECT_TRUE(std::is_permutation(order.begin(), order.end(), all.begin()));
    EXPECT_EQ(epoch_order(100, 1, 0), order);
    EXPECT_NE(epoch_order(100, 1, 1), order);
    EXPECT_NE(epoch_order(100, 2, 0), order);
}

// 24 examples, 2 a step: groups of 24 / (4 * 2) = 3 steps, which are 6 examples.
TEST(GroupByLength, PutsTheLongestFirstInEveryGroupAndFirstOfAll) {
    Order lengths(24);
    for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = static_cast<std::int64_t>(1 + 7 * i % 24);
    const auto before = epoch_order(24, 3, 0);
    auto order = before;
    group_by_length(order, lengths, 2);
    EXPECT_EQ(lengths[static_cast<std::size_t>(order.front())], 24);
    EXPECT_TRUE(std::is_permutation(order.begin(), order.end(), before.begin()));
    for (std::ptrdiff_t first = 0; first < 24; first += 6) {
        const auto found = lengths_in({order.begin() + first + 1, order.begin() + first + 6}, lengths);
        EXPECT_TRUE(std::is_sorted(found.rbegin(), found.rend())) << first;
    }
}

TEST(GroupByLength, OfFewExamplesIsOneStepAGroup) {
    const Order lengths = {3, 9, 5};
    Order order = {0, 1, 2};
    group_by_length(order, lengths, 2);
    EXPECT_EQ(order, (Order{1, 0, 2}));
    order = {0, 2, 1};
    group_by_length(order, lengths, 2);
    EXPECT_EQ(order, (Order{1, 0, 2})) << "the longest, of the second group, changes places with the first one";
}

}  // namespace
}  // namespace moebert
