// JSON texts from files that nobody vouches for.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace moebert {

// The object that `text` holds. An InputError naming `file` when it isn't JSON, isn't an object, has a key twice in
// one object or nests deeper than `max_depth` objects and lists.
nlohmann::json parse_json_object(std::string_view text, const std::filesystem::path& file, int max_depth = 64);

}  // namespace moebert
