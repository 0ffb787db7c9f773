// The name that was probably meant, for messages about an unknown one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace moebert {

// Levenshtein's: how many insertions, deletions and replacements make b of a.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The first of the names at the least edit distance from `wanted`, where at most a third of it is wrong; else the
// shortest name that begins with `wanted`, or has it as a part between underscores. Empty where no name is near.
std::string nearest_name(std::string_view wanted, std::span<const std::string> names);

}  // namespace moebert
