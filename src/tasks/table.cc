#include "tasks/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "io/file.h"
#include "text/utf8.h"

namespace moebert {
namespace {

std::vector<std::string> split_at_tabs(std::string_view line) {
    std::vector<std::string> cells;
    for (std::size_t begin = 0; begin <= line.size();) {
        const std::size_t end = std::min(line.find('\t', begin), line.size());
        cells.emplace_back(line.substr(begin, end - begin));
        begin = end + 1;
    }
    return cells;
}

}  // namespace

std::optional<std::size_t> Table::find_column(std::string_view name) const {
    const auto found = std::find(header.begin(), header.end(), name);
    return found == header.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - header.begin()));
}

std::string at_line(std::size_t line) { return fmt::format("line {}", line); }

std::string read_dataset_text(const std::filesystem::path& file) {
    std::string text = read_text(file, std::size_t{1} << 36);
    if (const auto at = find_malformed_utf8(text)) {
        const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(*at), '\n') + 1;
        throw InputError(file, at_line(static_cast<std::size_t>(line)), "isn't UTF-8");
    }
    if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) throw InputError(file, "", "is empty, expected rows");
    return text;
}

Table parse_tsv(const std::filesystem::path& file, std::string_view text) {
    Table table{file, {}, {}};
    text = text.substr(0, text.find_last_not_of("\r\n") + 1);
    for (std::size_t begin = 0, line = 1; begin <= text.size(); ++line) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string_view content = text.substr(begin, end - begin);
        if (content.ends_with('\r')) content.remove_suffix(1);
        table.rows.push_back({split_at_tabs(content), line});
        begin = end + 1;
    }
    table.header = std::move(table.rows.front().cells);
    table.rows.erase(table.rows.begin());
    return table;
}

Table read_table(const std::filesystem::path& file) {
    const std::string ending = file.extension().string();
    if (ending == ".csv") return parse_csv(file, read_dataset_text(file));
    if (ending == ".tsv") return parse_tsv(file, read_dataset_text(file));
    if (ending == ".json" || ending == ".jsonl") return parse_json_lines(file, read_dataset_text(file));
    throw InputError(file, "", fmt::format("has the ending \"{}\", expected .csv, .tsv, .json or .jsonl", ending));
}

void check_row_width(const Table& table, const Row& row) {
    const std::size_t cells = row.cells.size(), columns = table.header.size();
    if (cells == columns) return;
    throw InputError(table.file, at_line(row.line),
                     fmt::format("too {} columns: {}, expected {} as in the header", cells < columns ? "few" : "many",
                                 cells, columns));
}

}  // namespace moebert
