#include "tasks/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ascii.h"
#include "core/error.h"
#include "core/utf8.h"
#include "io/file.h"
#include "io/gzip.h"

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

std::string read_content(const std::filesystem::path& file) {
    const MappedFile mapped(file);
    if (is_gzip(mapped.bytes())) return gunzip(mapped.bytes(), file);
    return read_text(file, std::size_t{1} << 36);  // a mapped file that is cut short meanwhile would end the process
}

std::string_view first_line(std::string_view text) { return text.substr(0, text.find_first_of("\r\n")); }

// Spreadsheets write .csv files with semicolons where the comma is the decimal separator.
char separator_of(std::string_view text) {
    const auto header = first_line(text);
    for (const char separator : {',', ';', '\t'})
        if (header.find(separator) != std::string_view::npos) return separator;
    return ',';
}

Table read_csv(const std::filesystem::path& file, std::string_view text) {
    const char separator = separator_of(text);
    auto table = parse_csv(file, text, separator);
    if (separator != ',')
        table.warnings.push_back(
            fmt::format("no column ends at a comma; they are cut at {}", separator == ';' ? "semicolons" : "tabs"));
    return table;
}

// A header in one piece that other separators cut into names that are known.
void check_separator(const std::filesystem::path& file, const Table& table) {
    if (table.header.size() != 1) return;
    const std::pair<char, const char*> others[] = {{',', "commas"}, {';', "semicolons"}, {'|', "bars"}};
    for (const auto& [separator, name] : others) {
        auto names = fmt::format("\n{}\n", lower_ascii(table.header.front()));
        std::ranges::replace(names, separator, '\n');
        for (const char* known : {"\nlabel\n", "\nlabels\n", "\nsentence\n", "\nsentence1\n", "\ntext\n"})
            if (names.size() > std::string_view(known).size() && names.find(known) != std::string::npos)
                throw InputError(
                    file, at_line(1),
                    fmt::format("the header \"{}\" is one column; are the columns separated by {}? Expected "
                                "{} (.csv takes semicolons too)",
                                table.header.front(), name, format_of(file) == ".tsv" ? "tabs" : "commas"));
    }
}

Table read_tsv(const std::filesystem::path& file, std::string_view text) {
    if (!has_quoted_cells(file, text)) return parse_tsv(file, text);
    auto table = parse_csv(file, text, '\t');
    table.warnings.push_back("every cell with a quote in it is quoted: the quotes are taken off, as from a .csv file");
    return table;
}

[[noreturn]] void refuse_format(const std::filesystem::path& file, const std::string& ending) {
    const std::pair<const char*, const char*> others[] = {{".parquet", "parquet"}, {".arrow", "feather"},
                                                          {".feather", "feather"}, {".xlsx", "excel"},
                                                          {".xls", "excel"},       {".pkl", "pickle"}};
    for (const auto& [known, reader] : others)
        if (ending == known)
            throw InputError(file, "",
                             fmt::format("{} files are not read; in Python, pandas.read_{}(\"{}\").to_json(\"{}\", "
                                         "orient=\"records\", lines=True) writes one that is",
                                         known == std::string(".parquet") ? "Parquet" : known, reader,
                                         file.filename().string(), file.stem().string() + ".jsonl"));
    throw InputError(file, "",
                     fmt::format("has the ending \"{}\", expected .csv, .tsv, .json, .jsonl or .ndjson (or one of "
                                 "these with .gz)",
                                 ending));
}

}  // namespace

std::optional<std::size_t> Table::find_column(std::string_view name) const {
    auto found = std::ranges::find(header, name);
    if (found == header.end())
        found =
            std::ranges::find_if(header, [&](const auto& column) { return lower_ascii(column) == lower_ascii(name); });
    return found == header.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - header.begin()));
}

std::string at_line(std::size_t line) { return fmt::format("line {}", line); }

std::string read_dataset_text(const std::filesystem::path& file) {
    std::string text = read_content(file);
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
        throw InputError(file, "", "is UTF-16; expected UTF-8: save it in that encoding");
    if (const auto at = find_malformed_utf8(text)) {
        const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(*at), '\n') + 1;
        throw InputError(file, at_line(static_cast<std::size_t>(line)), "isn't UTF-8");
    }
    if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) throw InputError(file, "", "is empty, expected rows");
    return text;
}

std::string format_of(const std::filesystem::path& file) {
    auto name = file.filename();
    if (lower_ascii(name.extension().string()) == ".gz") name = name.stem();
    return lower_ascii(name.extension().string());
}

Table parse_tsv(const std::filesystem::path& file, std::string_view text) {
    Table table{file, {}, {}};
    for (std::size_t begin = 0, line = 1; begin < text.size(); ++line) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string_view content = text.substr(begin, end - begin);
        if (content.ends_with('\r')) content.remove_suffix(1);
        if (!content.empty()) table.rows.push_back({split_at_tabs(content), line});
        begin = end + 1;
    }
    if (table.rows.empty()) return table;
    table.header = std::move(table.rows.front().cells);
    table.rows.erase(table.rows.begin());
    return table;
}

Table read_table(const std::filesystem::path& file) {
    const std::string ending = format_of(file);
    if (ending != ".csv" && ending != ".tsv" && ending != ".json" && ending != ".jsonl" && ending != ".ndjson")
        refuse_format(file, ending);
    const std::string text = read_dataset_text(file);
    if (ending != ".csv" && ending != ".tsv") return parse_json_rows(file, text);
    auto table = ending == ".csv" ? read_csv(file, text) : read_tsv(file, text);
    check_separator(file, table);
    return table;
}

void check_row_width(const Table& table, const Row& row) {
    const std::size_t cells = row.cells.size(), columns = table.header.size();
    if (cells == columns) return;
    throw InputError(table.file, table.place(row.line),
                     fmt::format("too {} columns: {}, expected {} as in the header", cells < columns ? "few" : "many",
                                 cells, columns));
}

}  // namespace moebert
