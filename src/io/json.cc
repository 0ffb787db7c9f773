#include "io/json.h"

#include <fmt/format.h>

#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json_text.h"
#include "io/file.h"

namespace moebert {
namespace {

using nlohmann::json;

// Watches the parser's events for what a finished json value no longer shows.
class Watcher {
public:
    Watcher(const std::filesystem::path& file, int max_depth) : file_(file), max_depth_(max_depth) {}

    void see(int depth, json::parse_event_t event, const json& value) {
        using Event = json::parse_event_t;
        if (event == Event::object_start || event == Event::array_start) check_depth(depth);
        if (event == Event::object_start) keys_.emplace_back();
        if (event == Event::object_end) keys_.pop_back();
        if (event == Event::key) check_key(value.get_ref<const std::string&>());
    }

private:
    void check_depth(int depth) const {
        if (depth >= max_depth_) throw InputError(file_, "", fmt::format("nests deeper than {} levels", max_depth_));
    }

    void check_key(const std::string& key) {
        if (!keys_.back().insert(key).second) throw InputError(file_, key, "the key occurs twice in one object");
    }

    const std::filesystem::path& file_;
    int max_depth_;
    std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

std::string json_problem(const json::exception& error) {
    const std::string text = error.what();
    const auto end = text.find("] ");
    return end == std::string::npos ? text : text.substr(end + 2);
}

json parse_json_object(std::string_view text, const std::filesystem::path& file, int max_depth) {
    Watcher watcher(file, max_depth);
    const auto watch = [&watcher](int depth, json::parse_event_t event, json& value) {
        watcher.see(depth, event, value);
        return true;
    };
    json value;
    try {
        value = json::parse(text, watch);
    } catch (const json::exception& error) {
        throw InputError(file, "", fmt::format("not valid JSON: {}", json_problem(error)));
    }
    if (!value.is_object())
        throw InputError(file, "", fmt::format("expected a JSON object, found {}", value.type_name()));
    return value;
}

void save_json(const std::filesystem::path& file, const nlohmann::json& value) {
    write_file_atomically(file, json_text(value, 2) + "\n");
}

}  // namespace moebert
