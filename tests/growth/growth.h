// How a parser's time and memory grow: what takes n pieces in a second takes 2n in about two.
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

// `make` gives an input of so many pieces, `parse` reads it. Linear growth doubles the cost with the pieces, quadratic
// growth makes it four times as large; a machine that is busy with other things gets the room between.
template <class Make, class Parse>
void expect_linear(std::size_t pieces, Make make, Parse parse) {
    const std::string small = make(pieces), large = make(2 * pieces);
    const auto once = cost_of([&] { parse(small); }), twice = cost_of([&] { parse(large); });
    EXPECT_LT(twice.seconds, 3 * once.seconds + 0.002) << once.seconds << " s for " << pieces;
    EXPECT_LT(twice.bytes, 3 * once.bytes + 100'000) << once.bytes << " bytes for " << pieces;
    EXPECT_LT(twice.seconds, 2.0) << "the test is to be quick";
    EXPECT_LT(twice.bytes, 200 * large.size() + 1'000'000) << "for " << large.size() << " bytes";
}

}  // namespace moebert::test
