// Text files of rows: tab separated, comma separated, JSON lines. What the cells mean is not decided here.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moebert {

struct Row {
    std::vector<std::string> cells;
    std::size_t line = 0;                   // where it begins, from 1
    std::vector<std::size_t> missing = {};  // columns whose cell is empty because there is none
};

struct Table {
    std::filesystem::path file;
    std::vector<std::string> header;  // empty when the file has none
    std::vector<Row> rows;
    std::map<std::size_t, std::size_t> nested = {};  // columns with lists or objects, and the first line of one

    std::optional<std::size_t> find_column(std::string_view name) const;
};

// The file's text without a byte-order mark. Throws an InputError when it is empty or isn't UTF-8 (naming the line).
std::string read_dataset_text(const std::filesystem::path& file);

// Each of them takes the text that read_dataset_text gave; the first row is the header. Blank lines at the end are
// ignored. Rows may differ in their number of cells: check_row_width and the callers judge that.

// Cells are everything between tabs; there is no quoting. LF or CRLF ends a line.
Table parse_tsv(const std::filesystem::path& file, std::string_view text);

// RFC 4180. A quote inside an unquoted cell is an ordinary character.
Table parse_csv(const std::filesystem::path& file, std::string_view text);

// One object a line, whose keys are the columns; null is as good as no key. A value that is no text is written as JSON
// writes it. Blank lines are ignored.
Table parse_json_lines(const std::filesystem::path& file, std::string_view text);

// By the file's ending: .csv, .tsv, .json or .jsonl; another one is an InputError.
Table read_table(const std::filesystem::path& file);

std::string at_line(std::size_t line);  // "line 12"

// An InputError unless the row has as many cells as the header.
void check_row_width(const Table& table, const Row& row);

}  // namespace moebert
