#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json_text.h"
#include "tasks/table.h"

namespace moebert {
namespace {

using Object = nlohmann::ordered_json;

Object parse_line(const std::filesystem::path& file, std::string_view content, std::size_t line) {
    Object object = Object::parse(content, nullptr, false);
    if (!object.is_object() || !is_shallow(object))
        throw InputError(file, at_line(line), "expected one JSON object, not nested deep");
    return object;
}

std::string as_cell(const Object& value) { return value.is_null() ? "" : plain_text(value); }

Row read_row(const Table& table, const Object& object, std::size_t line) {
    Row row{{}, line};
    for (const std::string& key : table.header) {
        if (!object.contains(key))
            throw InputError(table.file, at_line(line), fmt::format("lacks the key \"{}\"", key));
        row.cells.push_back(as_cell(object[key]));
    }
    return row;
}

}  // namespace

Table parse_json_lines(const std::filesystem::path& file, std::string_view text) {
    Table table{file, {}, {}};
    text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    for (std::size_t begin = 0, line = 1; begin < text.size(); ++line) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const Object object = parse_line(file, text.substr(begin, end - begin), line);
        if (line == 1) {
            for (const auto& [key, value] : object.items()) table.header.push_back(key);
        }
        table.rows.push_back(read_row(table, object, line));
        begin = end + 1;
    }
    return table;
}

}  // namespace moebert
