// How a parser's time and memory grow with the pieces of its input.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <string>

namespace moebert::test {

struct Cost {
    double seconds = 0;     // of this process's processors, the least of several runs
    std::size_t bytes = 0;  // at most in use at once, beside what was before
};

Cost cost_of(const std::function<void()>& action);

// `make` gives an input of so many pieces, `parse` reads it. Four times the pieces cost four times as much where growth
// is linear, and sixteen times where it is quadratic; caches that are too small, and a machine that is busy with other
// things, get the room between.
template <class Make, class Parse>
void expect_linear(std::size_t pieces, Make make, Parse parse) {
    const std::string small = make(pieces / 2), large = make(2 * pieces);
    const auto one = cost_of([&] { parse(small); }), four = cost_of([&] { parse(large); });
    EXPECT_LT(four.seconds, 9 * one.seconds + 0.002) << one.seconds << " s for " << pieces / 2;
    EXPECT_LT(four.bytes, 6 * one.bytes + 100'000) << one.bytes << " bytes for " << pieces / 2;
    EXPECT_LT(four.seconds, 2.0) << "the test is to be quick";
    EXPECT_LT(four.bytes, 200 * large.size() + 1'000'000) << "for " << large.size() << " bytes";
}

}  // namespace moebert::test
