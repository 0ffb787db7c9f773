#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

namespace moebert {
namespace {

TEST(Mix64, IsTheFinaliserOfSplitMix64) {
    // The first outputs of the published generator with seed 0: mix64 of 0, and of its increment.
    EXPECT_EQ(mix64(0), 0xe220a8397b1dcdafULL);
    EXPECT_EQ(mix64(0x9e3779b97f4a7c15ULL), 0x6e789e6aa1b965f4ULL);
}

TEST(RandomKey, DiffersInEveryArgumentAndInTheirOrder) {
    std::set<std::uint64_t> keys;
    for (std::uint64_t a = 0; a < 8; ++a)
        for (std::uint64_t b = 0; b < 8; ++b)
            for (std::uint64_t c = 0; c < 8; ++c) keys.insert(random_key(a, b, c));
    EXPECT_EQ(keys.size(), 512U);
    EXPECT_NE(random_key(1, 2), random_key(2, 1));
    EXPECT_NE(random_key(1), random_key(1, 0));
}

TEST(UniformIndex, StaysBelowTheBoundAndReachesEveryValueEquallyOften) {
    RandomEngine engine(1);
    std::vector<int> counts(6, 0);
    constexpr int kDraws = 60000;
    for (int i = 0; i < kDraws; ++i) ++counts.at(uniform_index(engine, 6));
    for (const int count : counts) EXPECT_NEAR(count, kDraws / 6, 5 * 92);  // 5 standard deviations of sqrt(n p q)
}

TEST(UniformIndex, HasOneChoiceBelowOne) {
    RandomEngine engine(1);
    EXPECT_EQ(uniform_index(engine, 1), 0U);
}

TEST(UniformReal, LiesInZeroToOneAndAveragesToAHalf) {
    RandomEngine engine(2);
    double sum = 0.0;
    for (int i = 0; i < 10000; ++i) {
        const double value = uniform_real(engine);
        ASSERT_GE(value, 0.0);
        ASSERT_LT(value, 1.0);
        sum += value;
    }
    EXPECT_NEAR(sum / 10000, 0.5, 5 * 0.0029);  // 5 standard deviations
}

TEST(Shuffle, IsAPermutationThatTheSeedDecides) {
    std::vector<int> numbers(100), once, again, other;
    std::iota(numbers.begin(), numbers.end(), 0);
    once = again = other = numbers;
    RandomEngine a(3), b(3), c(4);
    shuffle(std::span(once), a);
    shuffle(std::span(again), b);
    shuffle(std::span(other), c);
    EXPECT_EQ(once, again);
    EXPECT_NE(once, other);
    EXPECT_NE(once, numbers);
    std::sort(once.begin(), once.end());
    EXPECT_EQ(once, numbers);
}

TEST(Shuffle, GivesTheSameOrderOnEveryPlatform) {
    std::vector<int> numbers{0, 1, 2, 3, 4, 5, 6, 7};
    RandomEngine engine(5);
    shuffle(std::span(numbers), engine);
    EXPECT_EQ(numbers, (std::vector<int>{4, 1, 7, 0, 3, 2, 5, 6}));
}

}  // namespace
}  // namespace moebert
