#include "recipe.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/json_text.h"
#include "io/file.h"
#include "io/json.h"

namespace moebert::cli {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;

// A value or a list of them; in the order of the file, where it tells.
struct Entry {
    std::string name;
    std::vector<std::string> values;
    bool is_list = false;
};

bool takes_list(std::string name) {
    std::ranges::replace(name, '-', '_');
    return name == "report_to" || name == "text_column_names";
}

RecipeItem joined(const std::string& file, Entry entry) {
    if (entry.is_list && !takes_list(entry.name) && entry.values.size() != 1)
        throw InputError(file, entry.name, fmt::format("expected one value, found {}", entry.values.size()));
    std::string text;
    for (const auto& value : entry.values) text += (&value == &entry.values.front() ? "" : ",") + value;
    return {std::move(entry.name), std::move(text)};
}

// ---- JSON

std::string json_value(const std::string& file, const std::string& name, const nlohmann::json& value) {
    if (value.is_structured() || value.is_null())
        throw InputError(file, name, "expected a number, string or boolean, or a list of them");
    return plain_text(value);
}

std::vector<Entry> read_json(const std::string& file, std::string_view text) {
    std::vector<Entry> entries;
    const auto object = parse_json_object(text, file);
    for (const auto& [name, value] : object.items()) {
        if (value.is_null()) continue;
        Entry entry{name, {}, value.is_array()};
        if (!entry.is_list) entry.values.push_back(json_value(file, name, value));
        if (entry.is_list)
            for (const auto& part : value) entry.values.push_back(json_value(file, name, part));
        entries.push_back(std::move(entry));
    }
    return entries;
}

// ---- TOML

// The library builds a table for every dot of a key, and needs its stack to take them apart.
void check_depth(const std::string& file, std::string_view text) {
    constexpr std::ptrdiff_t kMostDots = 256;
    for (std::size_t begin = 0, line = 1; begin < text.size(); ++line) {
        const auto end = std::min(text.find('\n', begin), text.size());
        const auto content = text.substr(begin, end - begin);
        if (std::ranges::count(content, '.') > kMostDots)
            throw InputError(file, fmt::format("line {}", line), fmt::format("has more than {} dots", kMostDots));
        begin = end + 1;
    }
}

std::string toml_value(const std::string& file, const std::string& name, const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
    if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    throw InputError(file, fmt::format("line {}", node.source().begin.line),
                     fmt::format("{}: expected a number, string or boolean, or a list of them", name));
}

void add_table(const std::string& file, const toml::table& table, std::vector<Entry>& entries) {
    for (const auto& [key, node] : table) {
        const auto* section = node.as_table();
        if (section && !section->is_inline()) {
            add_table(file, *section, entries);
            continue;
        }
        Entry entry{std::string(key.str()), {}, node.is_array()};
        if (!entry.is_list) entry.values.push_back(toml_value(file, entry.name, node));
        if (entry.is_list)
            for (const auto& part : *node.as_array()) entry.values.push_back(toml_value(file, entry.name, part));
        entries.push_back(std::move(entry));
    }
}

std::vector<Entry> read_toml(const std::string& file, std::string_view text) try {
    check_depth(file, text);
    std::vector<Entry> entries;
    add_table(file, toml::parse(text), entries);
    return entries;
} catch (const toml::parse_error& error) {
    throw InputError(file, fmt::format("line {}", error.source().begin.line), std::string(error.description()));
}

}  // namespace

std::vector<RecipeItem> read_recipe(const std::string& file) {
    const auto text = read_text(file, kMostBytes);
    std::vector<RecipeItem> items;
    for (auto& entry : file.ends_with(".json") ? read_json(file, text) : read_toml(file, text))
        if (!entry.values.empty() || !takes_list(entry.name)) items.push_back(joined(file, std::move(entry)));
    return items;
}

}  // namespace moebert::cli
