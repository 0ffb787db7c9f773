#include "tasks/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <istream>
#include <iterator>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/json_text.h"
#include "core/utf8.h"
#include "tasks/labels.h"
#include "tasks/table.h"

namespace moebert {
namespace {

void check_flat(const Table& table, std::optional<std::size_t> column) {
    if (!column) return;
    if (const auto found = table.nested.find(*column); found != table.nested.end())
        throw InputError(
            table.file, table.place(found->second),
            fmt::format("{}: expected a text or a number, found a list or an object", table.header[*column]));
}

bool is_missing(const Row& row, std::size_t column) {
    return std::ranges::find(row.missing, column) != row.missing.end();
}

// A list of one label is that label.
std::string only_item(const Table& table, std::size_t column, const Row& row) {
    const auto& text = row.cells[column];
    const auto list = nlohmann::json::parse(text, nullptr, false);
    if (!list.is_structured()) return text;
    if (list.is_array() && list.size() == 1 && !list[0].is_structured() && !list[0].is_null())
        return plain_text(list[0]);
    throw InputError(
        table.file, table.place(row.line),
        fmt::format("{}: expected one label, found {}: several labels of one text are not supported",
                    table.header[column], list.is_array() ? fmt::format("a list of {}", list.size()) : "an object"));
}

// The texts of all rows' labels; a file without any value in its label column has none.
std::vector<std::string> label_texts(const Table& table, std::optional<std::size_t> column) {
    std::vector<std::string> texts;
    const auto is_empty = [&](const Row& row) { return row.cells[*column].empty(); };
    if (!column || std::all_of(table.rows.begin(), table.rows.end(), is_empty)) return texts;
    const bool is_nested = table.nested.contains(*column);
    for (const Row& row : table.rows) {
        if (is_empty(row)) throw InputError(table.file, table.place(row.line), "the label is empty");
        texts.push_back(is_nested ? only_item(table, *column, row) : row.cells[*column]);
    }
    return texts;
}

// Labels that the file itself has to tell.
Labels labels_from(const Table& table, const std::vector<std::string>& texts, const ReadOptions& options,
                   std::vector<std::string>& warnings) {
    for (std::size_t i = 0; i < texts.size(); ++i)
        if (is_no_value(texts[i]))
            throw InputError(table.file, table.place(table.rows[i].line),
                             fmt::format("the label is \"{}\", which is no value", texts[i]));
    try {
        auto inferred = infer_labels(texts, options.problem_type);
        std::ranges::move(inferred.warnings, std::back_inserter(warnings));
        return inferred.labels;
    } catch (const Error& error) {
        throw InputError(table.file, "", error.what());
    }
}

bool has(const std::vector<std::size_t>& columns, std::size_t column) {
    return std::ranges::find(columns, column) != columns.end();
}

// All that have a name, but for the texts.
KeptColumns keep_columns(const Table& table, const Columns& columns) {
    KeptColumns kept;
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < table.header.size(); ++i) {
        if (i == columns.sentence1 || i == columns.sentence2 || table.header[i].empty()) continue;
        numbers.push_back(i);
        kept.names.push_back(table.header[i]);
    }
    for (const auto& row : table.rows) {
        auto& values = kept.rows.emplace_back();
        for (const auto i : numbers) {
            const auto& cell = row.cells[i];
            values.push_back(has(row.missing, i) ? "" : has(row.literals, i) ? cell : json_text(nlohmann::json(cell)));
        }
    }
    return kept;
}

Dataset dataset_of(Table table, const std::optional<Labels>& labels, const ReadOptions& options) {
    const auto& file = table.file;
    if (table.rows.empty()) throw InputError(file, "", "has a header but no rows");
    const auto columns = find_columns(table, options.columns, options.use == LabelUse::read);
    for (const auto column : {std::optional(columns.sentence1), columns.sentence2}) check_flat(table, column);
    for (const Row& row : table.rows) check_row_width(table, row);
    const auto texts = label_texts(table, columns.label);
    Dataset dataset{file.stem().string(), file, {}, {}};
    dataset.warnings = std::move(table.warnings);
    if (labels)
        dataset.labels = *labels;
    else if (!texts.empty())
        dataset.labels = labels_from(table, texts, options, dataset.warnings);
    if (columns.guessed) dataset.guessed_columns.push_back(table.header[columns.sentence1]);
    if (columns.label && columns.label != table.find_column("label") && options.columns.label.empty())
        dataset.warnings.push_back(fmt::format("labels are taken from \"{}\"", table.header[*columns.label]));
    if (texts.empty()) dataset.columns = table.header;
    if (options.use == LabelUse::ignored) dataset.kept = keep_columns(table, columns);
    const LabelFinder finder(dataset.labels);
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        Row& row = table.rows[i];
        const auto place = table.place(row.line);
        Example example;
        if (!texts.empty()) example.label = finder.find(texts[i], file, place);
        if (is_missing(row, columns.sentence1))
            throw InputError(file, place, fmt::format("{} is missing", table.header[columns.sentence1]));
        example.sentence1 = std::move(row.cells[columns.sentence1]);
        if (columns.sentence2 && !is_missing(row, *columns.sentence2))
            example.sentence2 = std::move(row.cells[*columns.sentence2]);
        dataset.examples.push_back(std::move(example));
    }
    return dataset;
}

// Whether a stream that begins so may be JSON: rows, or a document over several lines.
bool may_be_json(std::string_view line) {
    const auto begin = line.find_first_not_of(" \t");
    return begin != std::string_view::npos && (line[begin] == '{' || line[begin] == '[');
}

bool is_json(std::string_view text) {
    if (has_json_lines(text)) return true;
    const auto document = nlohmann::json::parse(text, nullptr, false);
    return document.is_object() || (document.is_array() && !document.empty() && document.front().is_object());
}

Dataset read_json(std::string_view text, const std::string& name, const ColumnNames& columns) {
    if (const auto malformed = find_malformed_utf8(text)) {
        const auto line = std::ranges::count(text.substr(0, *malformed), '\n') + 1;
        throw InputError(name, at_line(static_cast<std::size_t>(line)), "isn't UTF-8");
    }
    return dataset_of(parse_json_rows(name, text), std::nullopt, {LabelUse::ignored, columns});
}

void append_line(Dataset& dataset, const std::string& line) {
    const std::size_t tab = line.find('\t');
    Example example{line.substr(0, tab), {}, {}};
    if (tab != std::string::npos) example.sentence2 = line.substr(tab + 1);
    dataset.examples.push_back(std::move(example));
}

void check_line(const Dataset& dataset, std::string_view line) {
    const std::string where = at_line(dataset.examples.size() + 1);
    if (find_malformed_utf8(line)) throw InputError(dataset.file, where, "isn't UTF-8");
    const auto tabs = std::count(line.begin(), line.end(), '\t');
    if (tabs > 1)
        throw InputError(dataset.file, where,
                         fmt::format("has {} tabs, expected sentence1 or sentence1<TAB>sentence2", tabs));
    if (dataset.examples.empty() || dataset.examples.front().sentence2.has_value() == (tabs == 1)) return;
    throw InputError(dataset.file, where, "lines with and without a tab are mixed");
}

constexpr const char* kNoLines = "is empty, expected a sentence a line";

// The line that is read, and those after it.
Dataset read_text_lines(std::string line, std::istream& in, const std::string& name) {
    Dataset dataset{name, name, {}, {}};
    do {
        if (line.ends_with('\r')) line.pop_back();
        check_line(dataset, line);
        append_line(dataset, line);
    } while (std::getline(in, line));
    if (in.bad()) throw InputError(name, "", "can't be read");
    return dataset;
}

}  // namespace

std::string to_string(Split split) {
    switch (split) {
        case Split::train:
            return "train";
        case Split::validation:
            return "validation";
        case Split::test:
            return "test";
    }
    fail("no split has the number {}", static_cast<int>(split));
}

Split parse_split(const std::string& name) {
    if (name == "train") return Split::train;
    if (name == "validation" || name == "dev") return Split::validation;
    if (name == "test") return Split::test;
    fail_usage("unknown split \"{}\", expected train, validation or test", name);
}

Dataset read_examples(const std::filesystem::path& file, const std::optional<Labels>& labels,
                      const ReadOptions& options) {
    return dataset_of(read_table(file), labels, options);
}

Dataset read_lines(std::istream& in, const std::string& name, const ColumnNames& columns) {
    std::string first;
    if (!std::getline(in, first)) throw InputError(name, "", in.bad() ? "can't be read" : kNoLines);
    if (first.starts_with(kByteOrderMark)) first.erase(0, kByteOrderMark.size());
    if (!may_be_json(first)) return read_text_lines(std::move(first), in, name);
    std::string text = std::move(first) + "\n";
    text.append(std::istreambuf_iterator<char>(in), {});
    if (in.bad()) throw InputError(name, "", "can't be read");
    if (is_json(text)) return read_json(text, name, columns);
    std::istringstream lines(text);
    std::getline(lines, first);
    return read_text_lines(std::move(first), lines, name);
}

}  // namespace moebert
