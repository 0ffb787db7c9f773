#include "core/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace moebert {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

std::string nearest_name(std::string_view wanted, std::span<const std::string> names) {
    const auto distance = [&](const std::string& name) { return edit_distance(wanted, name); };
    const auto nearest = std::ranges::min_element(names, {}, distance);
    return nearest == names.end() ? "" : *nearest;
}

}  // namespace moebert
