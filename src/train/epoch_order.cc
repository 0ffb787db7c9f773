#include "train/epoch_order.h"

#include <algorithm>
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

void group_by_length(std::vector<std::int64_t>& order, std::span<const std::int64_t> lengths, std::int64_t step_size) {
    const auto count = std::ssize(order);
    const auto size = step_size * std::clamp<std::int64_t>(count / (4 * step_size), 1, 50);
    const auto length = [&](std::int64_t i) { return lengths[static_cast<std::size_t>(i)]; };
    std::int64_t longest = 0;  // place of the group's first one that is the longest of all
    for (std::int64_t first = 0; first < count; first += size) {
        const auto group = std::span(order).subspan(static_cast<std::size_t>(first),
                                                    static_cast<std::size_t>(std::min(size, count - first)));
        std::ranges::stable_sort(group, std::greater<>(), length);
        if (length(group.front()) > length(order[static_cast<std::size_t>(longest)])) longest = first;
    }
    if (longest > 0) std::swap(order.front(), order[static_cast<std::size_t>(longest)]);
}

}  // namespace moebert
