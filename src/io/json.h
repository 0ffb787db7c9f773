// JSON files: those that nobody vouches for, and our own.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace moebert {

// Sees a value while it is read: when an object or a list begins and ends, each key, each other value. `depth` is the
// number of objects and lists that it lies in. Where it returns false for a value, or for the end of an object or
// list, the value is left out.
using JsonWatch = std::function<bool(int depth, nlohmann::json::parse_event_t event, nlohmann::json& value)>;

struct JsonReading {
    std::string where = "";                    // in the file, for errors: "line 12"
    int max_depth = 64;                        // of objects and lists in one another
    std::vector<std::string>* keys = nullptr;  // gets the outermost object's, in the file's order
    JsonWatch watch = {};
};

// The value that `text` holds, in time and memory linear in the text. An InputError naming `file` when it isn't JSON,
// has a key twice in one object or nests deeper than max_depth.
nlohmann::json parse_json(std::string_view text, const std::filesystem::path& file, const JsonReading& reading = {});

// The same of a text that must be an object.
nlohmann::json parse_json_object(std::string_view text, const std::filesystem::path& file,
                                 const JsonReading& reading = {});

// What the library says was wrong, without the identifier in brackets that it begins with.
std::string json_problem(const nlohmann::json::exception& error);

// An object or list on many lines; the file is there whole or not at all.
void save_json(const std::filesystem::path& file, const nlohmann::json& value);

}  // namespace moebert
