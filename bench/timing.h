// Times variants in turn, so that a machine whose speed drifts treats them alike.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "core/median.h"

namespace moebert::bench {

struct Variant {
    std::string name;
    std::function<void()> run;
    std::vector<double> seconds{};
};

// One run of each to warm up, then `repetitions` rounds A B C A B C ...
inline void measure(std::vector<Variant>& variants, int repetitions, bool warm_up = true) {
    using Clock = std::chrono::steady_clock;
    for (int round = warm_up ? -1 : 0; round < repetitions; ++round)
        for (auto& variant : variants) {
            const auto start = Clock::now();
            variant.run();
            if (round >= 0) variant.seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
        }
}

// Median over rounds of seconds of `slow` by seconds of `fast`.
inline double speedup(const Variant& fast, const Variant& slow) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < fast.seconds.size(); ++i) ratios.push_back(slow.seconds[i] / fast.seconds[i]);
    return median(ratios);
}

}  // namespace moebert::bench
