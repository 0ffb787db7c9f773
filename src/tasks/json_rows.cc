#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/error.h"
#include "core/json_text.h"
#include "io/json.h"
#include "tasks/table.h"

namespace moebert {
namespace {

using Object = nlohmann::ordered_json;

Object parse_line(const std::filesystem::path& file, std::string_view content, std::size_t line) {
    const auto refuse = [&](const std::string& problem) {
        throw InputError(file, at_line(line), fmt::format("expected one JSON object a line: {}", problem));
    };
    Object object;
    try {
        object = Object::parse(content);
    } catch (const Object::exception& error) {
        refuse(json_problem(error));
    }
    if (!object.is_object()) refuse(fmt::format("found {}", object.is_array() ? "a list" : object.type_name()));
    if (!is_shallow(object)) refuse("it is nested too deep");
    return object;
}

class Rows {
public:
    explicit Rows(const std::filesystem::path& file) : table_{file, {}, {}} {}

    void add(const Object& object, std::size_t line) {
        Row row{std::vector<std::string>(table_.header.size()), line};
        std::vector<bool> is_there(table_.header.size());
        for (const auto& [key, value] : object.items()) {
            const auto column = column_of(key);
            if (value.is_null()) continue;
            row.cells.resize(table_.header.size());
            is_there.resize(table_.header.size());
            if (value.is_structured()) table_.nested.emplace(column, line);
            row.cells[column] = plain_text(value);
            is_there[column] = true;
        }
        for (std::size_t i = 0; i < is_there.size(); ++i)
            if (!is_there[i]) row.missing.push_back(i);
        table_.rows.push_back(std::move(row));
    }

    // Keys that came later are missing in the rows before.
    Table finish() {
        for (auto& row : table_.rows)
            while (row.cells.size() < table_.header.size()) {
                row.missing.push_back(row.cells.size());
                row.cells.emplace_back();
            }
        return std::move(table_);
    }

private:
    std::size_t column_of(const std::string& key) {
        const auto [found, is_new] = columns_.emplace(key, columns_.size());
        if (is_new) table_.header.push_back(key);
        return found->second;
    }

    Table table_;
    std::unordered_map<std::string, std::size_t> columns_;
};

}  // namespace

Table parse_json_lines(const std::filesystem::path& file, std::string_view text) {
    Rows rows(file);
    for (std::size_t begin = 0, line = 1; begin < text.size(); ++line) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const auto content = text.substr(begin, end - begin);
        if (content.find_first_not_of(" \t\r") != std::string_view::npos)
            rows.add(parse_line(file, content, line), line);
        begin = end + 1;
    }
    return rows.finish();
}

}  // namespace moebert
