#include "core/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace moebert {

namespace {

// "model" is a part of "model_name_or_path", "batch_size" one of "eval_batch_size".
bool has_part(const std::string& name, std::string_view part) {
    constexpr std::size_t kLeast = 3;
    return part.size() >= kLeast && (name.starts_with(part) || name.ends_with(fmt::format("_{}", part)) ||
                                     name.find(fmt::format("_{}_", part)) != std::string::npos);
}

}  // namespace

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
    std::vector<std::size_t> distances;
    for (const auto& name : names) distances.push_back(edit_distance(wanted, name));
    const auto least = std::ranges::min_element(distances);
    if (least != distances.end() && *least <= std::max<std::size_t>(1, wanted.size() / 3))
        return names[static_cast<std::size_t>(least - distances.begin())];
    const std::string* found = nullptr;
    for (const auto& name : names)
        if (has_part(name, wanted) && (!found || name.size() < found->size())) found = &name;
    return found ? *found : "";
}

}  // namespace moebert
