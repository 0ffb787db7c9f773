// JSON files: those that nobody vouches for, and our own.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace moebert {

// The object that `text` holds. An InputError naming `file` when it isn't JSON, isn't an object, has a key twice in
// one object or nests deeper than `max_depth` objects and lists.
nlohmann::json parse_json_object(std::string_view text, const std::filesystem::path& file, int max_depth = 64);

// What the library says was wrong, without the identifier in brackets that it begins with.
std::string json_problem(const nlohmann::json::exception& error);

// An object or list on many lines; the file is there whole or not at all.
void save_json(const std::filesystem::path& file, const nlohmann::json& value);

}  // namespace moebert
