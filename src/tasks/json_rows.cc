#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/error.h"
#include "core/json_text.h"
#include "io/json.h"
#include "tasks/table.h"

namespace moebert {
namespace {

using Object = nlohmann::json;  // finding a key of an ordered one takes a look at all of them
using Path = std::filesystem::path;

class Rows {
public:
    // `bytes`: the size of the file.
    Rows(const Path& file, const char* unit, std::size_t bytes)
        : table_{file, {}, {}}, most_cells_(kMostCellsAByte * bytes + kMostColumns * kMostColumns) {
        table_.unit = unit;
    }

    void add(const Object& object, std::size_t line) {
        Row row{std::vector<std::string>(table_.header.size()), line};
        std::vector<bool> is_there(table_.header.size());
        for (const auto& [key, value] : object.items()) {
            const auto column = column_of(key, line);
            if (value.is_null()) continue;
            row.cells.resize(table_.header.size());
            is_there.resize(table_.header.size());
            if (value.is_structured()) table_.nested.emplace(column, line);
            if (!value.is_string()) row.literals.push_back(column);
            row.cells[column] = plain_text(value);
            is_there[column] = true;
        }
        for (std::size_t i = 0; i < is_there.size(); ++i)
            if (!is_there[i]) row.missing.push_back(i);
        table_.rows.push_back(std::move(row));
        if (table_.rows.size() * table_.header.size() > most_cells_)
            throw InputError(table_.file, table_.place(line),
                             fmt::format("{} rows with {} different keys, of which each has few; expected rows of the "
                                         "same keys",
                                         table_.rows.size(), table_.header.size()));
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
    // Every row has a cell for each of them.
    static constexpr std::size_t kMostColumns = 256, kMostCellsAByte = 4;

    std::size_t column_of(const std::string& key, std::size_t line) {
        const auto [found, is_new] = columns_.emplace(key, columns_.size());
        if (is_new && columns_.size() > kMostColumns)
            throw InputError(table_.file, table_.place(line),
                             fmt::format("\"{}\" is the {}th different key; expected {} at most", key, columns_.size(),
                                         kMostColumns));
        if (is_new) table_.header.push_back(key);
        return found->second;
    }

    Table table_;
    std::size_t most_cells_;
    std::unordered_map<std::string, std::size_t> columns_;
};

// ---- one object a line

Object parse_line(const Path& file, std::string_view content, std::size_t line) {
    const auto where = at_line(line) + ": expected one JSON object a line";
    auto object = parse_json(content, file, {.where = where});
    if (!object.is_object())
        throw InputError(file, where, fmt::format("found {}", object.is_array() ? "a list" : object.type_name()));
    return object;
}

Table parse_lines(const Path& file, std::string_view text) {
    Rows rows(file, "line", text.size());
    for (std::size_t begin = 0, line = 1; begin < text.size(); ++line) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const auto content = text.substr(begin, end - begin);
        if (content.find_first_not_of(" \t\r") != std::string_view::npos)
            rows.add(parse_line(file, content, line), line);
        begin = end + 1;
    }
    return rows.finish();
}

// ---- one document

Table rows_of_list(const Path& file, const Object& list, std::size_t bytes) {
    Rows rows(file, "row", bytes);
    std::size_t number = 0;
    for (const auto& row : list) {
        ++number;
        if (!row.is_object())
            throw InputError(file, fmt::format("row {}", number),
                             fmt::format("expected an object, found {}", row.is_array() ? "a list" : row.type_name()));
        rows.add(row, number);
    }
    return rows.finish();
}

// {"text": ["a", "b"], "label": [0, 1]}, or {"text": {"0": "a", "1": "b"}, ...}.
bool are_columns(const Object& document) {
    if (document.empty()) return false;
    const auto& first = *document.begin();
    if (!first.is_structured() || first.empty()) return false;
    return std::ranges::all_of(document, [&](const Object& column) {
        if (column.type() != first.type() || column.size() != first.size()) return false;
        return column.is_array() || std::ranges::equal(
                                        first.items(), column.items(), {}, [](const auto& i) { return i.key(); },
                                        [](const auto& i) { return i.key(); });
    });
}

std::optional<std::size_t> row_number(const std::string& key) {
    std::size_t number = 0;
    const auto* end = key.data() + key.size();
    const auto [rest, error] = std::from_chars(key.data(), end, number);
    return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

// The rows' keys in the order of their numbers: that of the file isn't kept.
std::vector<std::string> keys_in_order(const Path& file, const Object& column) {
    std::vector<std::pair<std::size_t, std::string>> numbered;
    for (const auto& [key, value] : column.items()) {
        const auto number = row_number(key);
        if (!number)
            throw InputError(file, "",
                             fmt::format("has columns whose rows have names (\"{}\"); expected numbers", key));
        numbered.emplace_back(*number, key);
    }
    std::ranges::sort(numbered);
    std::vector<std::string> keys;
    for (auto& [number, key] : numbered) keys.push_back(std::move(key));
    return keys;
}

Table rows_of_columns(const Path& file, const Object& document, std::size_t bytes) {
    const auto& first = *document.begin();
    const auto keys = first.is_object() ? keys_in_order(file, first) : std::vector<std::string>();
    Rows made(file, "row", bytes);
    for (std::size_t i = 0; i < first.size(); ++i) {
        auto row = Object::object();
        for (const auto& [name, column] : document.items()) row[name] = column.is_array() ? column[i] : column[keys[i]];
        made.add(row, i + 1);
    }
    return made.finish();
}

Table rows_of_document(const Path& file, const Object& document, std::size_t bytes) {
    if (document.is_array()) return rows_of_list(file, document, bytes);
    const auto data = document.find("data");
    if (data != document.end() && data->is_array()) return rows_of_list(file, *data, bytes);
    if (are_columns(document)) return rows_of_columns(file, document, bytes);
    Rows row(file, "line", bytes);
    row.add(document, 1);
    return row.finish();
}

}  // namespace

bool has_json_lines(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    const auto end = std::min(text.find('\n', begin), text.size());
    const bool goes_on = text.find_first_not_of(" \t\r\n", end) != std::string_view::npos;
    return goes_on && text[begin] == '{' && Object::accept(text.substr(begin, end - begin));
}

Table parse_json_rows(const Path& file, std::string_view text) {
    if (has_json_lines(text)) return parse_lines(file, text);
    const bool is_list = text[text.find_first_not_of(" \t\r\n")] == '[';
    Object document;
    try {
        document = parse_json(text, file);
    } catch (const InputError&) {
        if (is_list) throw;
    }
    if (document.is_structured()) return rows_of_document(file, document, text.size());
    return parse_lines(file, text);  // whose first line is at fault
}

}  // namespace moebert
