// Random numbers that are the same on every platform and for every thread count.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <utility>

namespace moebert {

// A bijective mix of 64 bits (the finaliser of SplitMix64): neighbouring inputs give unrelated outputs.
constexpr std::uint64_t mix64(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

// The key of one stream of random numbers within another: random_key(seed, step, site).
constexpr std::uint64_t random_key(std::uint64_t key) { return mix64(key); }
template <class... Rest>
constexpr std::uint64_t random_key(std::uint64_t key, std::uint64_t next, Rest... rest) {
    return random_key(mix64(key) ^ next, static_cast<std::uint64_t>(rest)...);
}

using RandomEngine = std::mt19937_64;

// Uniform in [0, bound), without the implementation-defined std::uniform_int_distribution.
inline std::uint64_t uniform_index(RandomEngine& engine, std::uint64_t bound) {
    const std::uint64_t limit = bound * (RandomEngine::max() / bound);
    std::uint64_t value = engine();
    while (value >= limit) value = engine();
    return value % bound;
}

// Uniform in [0, 1), 53 bits.
inline double uniform_real(RandomEngine& engine) { return static_cast<double>(engine() >> 11) * 0x1.0p-53; }

template <class T>
void shuffle(std::span<T> values, RandomEngine& engine) {
    for (std::size_t n = values.size(); n > 1; --n) std::swap(values[n - 1], values[uniform_index(engine, n)]);
}

}  // namespace moebert
