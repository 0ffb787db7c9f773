#include "io/json.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "core/json_text.h"
#include "io/file.h"

namespace moebert {
namespace {

using nlohmann::json;
using Event = json::parse_event_t;

// Builds a value out of the parser's events. The library's parser with a callback does so too, but at the end of every
// object looks through all that lie beside it.
class Builder : public nlohmann::json_sax<json> {
public:
    Builder(const std::filesystem::path& file, const JsonReading& reading) : file_(file), reading_(reading) {}

    json take() { return std::move(root_); }

    bool null() override { return put(json()); }
    bool boolean(bool value) override { return put(json(value)); }
    bool number_integer(std::int64_t value) override { return put(json(value)); }
    bool number_unsigned(std::uint64_t value) override { return put(json(value)); }
    bool number_float(double value, const std::string&) override { return put(json(value)); }
    bool string(std::string& value) override { return put(json(std::move(value))); }
    bool binary(json::binary_t&) override { return false; }  // JSON has none

    bool start_object(std::size_t) override { return open(json::object(), Event::object_start); }
    bool start_array(std::size_t) override { return open(json::array(), Event::array_start); }
    bool end_object() override { return close(Event::object_end); }
    bool end_array() override { return close(Event::array_end); }

    bool key(std::string& name) override {
        if (levels_.size() == 1 && reading_.keys) reading_.keys->push_back(name);
        if (reading_.watch) {
            json value(name);
            reading_.watch(depth(), Event::key, value);
        }
        auto& object = levels_.back();
        const auto [slot, is_new] = object.value->emplace(name, nullptr);
        if (!is_new)
            throw InputError(file_, reading_.where.empty() ? name : reading_.where + ": " + name,
                             "the key occurs twice in one object");
        object.slot = slot;
        return true;
    }

    bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
        refuse(fmt::format("not valid JSON: {}", json_problem(error)));
    }

private:
    struct Level {
        json* value;            // an open object or list
        json::iterator slot{};  // of an object: where the next value goes
    };

    [[noreturn]] void refuse(const std::string& problem) const { throw InputError(file_, reading_.where, problem); }

    int depth() const { return static_cast<int>(levels_.size()); }

    json* place(json&& value) {
        if (levels_.empty()) return &(root_ = std::move(value));
        const auto& parent = levels_.back();
        if (parent.value->is_object()) return &(*parent.slot = std::move(value));
        parent.value->push_back(std::move(value));
        return &parent.value->back();
    }

    // Takes back what place() did last on this level.
    void drop() {
        if (levels_.empty())
            root_ = nullptr;
        else if (const auto& parent = levels_.back(); parent.value->is_object())
            parent.value->erase(parent.slot);
        else
            parent.value->erase(parent.value->size() - 1);
    }

    bool put(json&& value) {
        auto* placed = place(std::move(value));
        if (reading_.watch && !reading_.watch(depth(), Event::value, *placed)) drop();
        return true;
    }

    bool open(json&& value, Event event) {
        if (depth() >= reading_.max_depth) refuse(fmt::format("nests deeper than {} levels", reading_.max_depth));
        auto* placed = place(std::move(value));
        if (reading_.watch) reading_.watch(depth(), event, *placed);
        levels_.push_back({placed});
        return true;
    }

    bool close(Event event) {
        auto* closed = levels_.back().value;
        levels_.pop_back();
        if (reading_.watch && !reading_.watch(depth(), event, *closed)) drop();
        return true;
    }

    const std::filesystem::path& file_;
    const JsonReading& reading_;
    json root_;
    std::vector<Level> levels_;
};

}  // namespace

std::string json_problem(const json::exception& error) {
    const std::string text = error.what();
    const auto end = text.find("] ");
    return end == std::string::npos ? text : text.substr(end + 2);
}

json parse_json(std::string_view text, const std::filesystem::path& file, const JsonReading& reading) {
    Builder builder(file, reading);
    json::sax_parse(text, &builder);
    return builder.take();
}

json parse_json_object(std::string_view text, const std::filesystem::path& file, const JsonReading& reading) {
    auto value = parse_json(text, file, reading);
    if (!value.is_object())
        throw InputError(file, reading.where, fmt::format("expected a JSON object, found {}", value.type_name()));
    return value;
}

void save_json(const std::filesystem::path& file, const nlohmann::json& value) {
    write_file_atomically(file, json_text(value, 2) + "\n");
}

}  // namespace moebert
