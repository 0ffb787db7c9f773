#include "train/epoch_order.h"

#include <numeric>
#include <span>

#include "core/random.h"

namespace moebert {

std::vector<std::int64_t> epoch_order(std::size_t count, std::uint64_t seed, std::int64_t epoch) {
    std::vector<std::int64_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    RandomEngine engine(random_key(seed, 10, static_cast<std::uint64_t>(epoch)));
    shuffle(std::span(order), engine);
    return order;
}

}  // namespace moebert
