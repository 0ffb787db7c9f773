// Text files of rows: tab separated, comma separated, JSON. What the cells mean is not decided here.
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
    std::size_t line = 0;                    // where it begins, from 1; of a JSON document's rows, their number
    std::vector<std::size_t> missing = {};   // columns whose cell is empty because there is none
    std::vector<std::size_t> literals = {};  // columns whose cell is a value of JSON's that is no text
};

struct Table {
    std::filesystem::path file;
    std::vector<std::string> header;  // empty when the file has none
    std::vector<Row> rows;
    std::map<std::size_t, std::size_t> nested = {};  // columns with lists or objects, and the first row of one
    std::string unit = "line";                       // what Row::line counts: "line" or "row"
    std::vector<std::string> warnings = {};          // how the file was read, where it could be read otherwise

    std::optional<std::size_t> find_column(std::string_view name) const;  // as it is, or else in another case
    std::string place(std::size_t line) const { return unit + " " + std::to_string(line); }
};

// The file's text without a byte-order mark, decompressed if it is a gzip file. Throws an InputError when it is empty
// or isn't UTF-8 (naming the line).
std::string read_dataset_text(const std::filesystem::path& file);

// The ending that tells a file's format, in lower case and without .gz: ".csv".
std::string format_of(const std::filesystem::path& file);

// Each of them takes the text that read_dataset_text gave; the first row is the header. Blank lines are ignored. Rows
// may differ in their number of cells: check_row_width and the callers judge that.

// Cells are everything between tabs; there is no quoting. LF or CRLF ends a line.
Table parse_tsv(const std::filesystem::path& file, std::string_view text);

// RFC 4180, with another separator perhaps. A quote inside an unquoted cell is an ordinary character.
Table parse_csv(const std::filesystem::path& file, std::string_view text, char separator = ',');

// Whether cells are quoted as in a .csv file: every cell with a quote in it is quoted as a whole, and needs to be.
bool has_quoted_cells(const std::filesystem::path& file, std::string_view tsv);

// Whether JSON goes on after its first line, which is an object: one object a line.
bool has_json_lines(std::string_view text);

// Rows as objects, whose keys are the columns; null is as good as no key. A value that is no text is written as JSON
// writes it. One object a line; or one document: a list of objects, an object with such a list under "data", or an
// object of columns (lists of one length, or objects with the same keys, as pandas writes them).
Table parse_json_rows(const std::filesystem::path& file, std::string_view text);

// By the file's ending, in any case and with or without .gz: .csv (a header without a comma is cut at semicolons or
// tabs), .tsv, .json, .jsonl or .ndjson; another one is an InputError.
Table read_table(const std::filesystem::path& file);

std::string at_line(std::size_t line);  // "line 12"

// An InputError unless the row has as many cells as the header.
void check_row_width(const Table& table, const Row& row);

}  // namespace moebert
