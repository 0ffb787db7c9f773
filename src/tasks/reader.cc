#include "tasks/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <istream>
#include <set>
#include <utility>

#include "core/error.h"
#include "tasks/labels.h"
#include "tasks/table.h"
#include "text/utf8.h"

namespace moebert {
namespace {

struct Columns {
    std::size_t sentence1;
    std::optional<std::size_t> sentence2, label;
    bool guessed = false;
};

// Pairs of sentences as data sets call them: run_glue's, and others that are common.
constexpr std::pair<const char*, const char*> kPairs[] = {{"question1", "question2"}, {"premise", "hypothesis"},
                                                          {"question", "sentence"},   {"text1", "text2"},
                                                          {"text_a", "text_b"},       {"text", "text_pair"}};

// Columns that are neither the label nor a number of the row. A table's first one, without a name, is such a number.
std::vector<std::size_t> text_columns(const Table& table) {
    const std::set<std::string> others = {"", "label", "labels", "label_text", "idx", "index", "id", "guid"};
    std::vector<std::size_t> columns;
    for (std::size_t i = 0; i < table.header.size(); ++i)
        if (!others.contains(table.header[i]) && !table.nested.contains(i)) columns.push_back(i);
    return columns;
}

Columns find_columns(const Table& table) {
    const auto label = table.find_column("label");
    if (const auto first = table.find_column("sentence1")) return {*first, table.find_column("sentence2"), label};
    for (const auto& [name1, name2] : kPairs)
        if (const auto first = table.find_column(name1), second = table.find_column(name2); first && second)
            return {*first, second, label};
    const auto left = text_columns(table);
    for (const char* name : {"sentence", "text"})
        if (const auto only = table.find_column(name)) return {*only, {}, label, left.size() > 1};
    if (left.size() == 1) return {left[0], {}, label, true};
    if (left.size() == 2) return {left[0], left[1], label, true};
    throw InputError(table.file, at_line(1),
                     fmt::format("can't tell the sentences among the columns {}; expected sentence1 (and sentence2)",
                                 fmt::join(table.header, ", ")));
}

void check_flat(const Table& table, std::optional<std::size_t> column) {
    if (!column) return;
    if (const auto found = table.nested.find(*column); found != table.nested.end())
        throw InputError(
            table.file, at_line(found->second),
            fmt::format("{}: expected a text or a number, found a list or an object", table.header[*column]));
}

bool is_missing(const Row& row, std::size_t column) {
    return std::ranges::find(row.missing, column) != row.missing.end();
}

std::string label_text(const Table& table, std::size_t column, const Row& row) {
    const std::string& text = row.cells[column];
    if (text.empty()) throw InputError(table.file, at_line(row.line), "the label is empty");
    return text;
}

// The spellings of all rows' labels; a file without any value in its label column has none.
std::vector<std::string> label_texts(const Table& table, std::optional<std::size_t> column) {
    std::vector<std::string> texts;
    const auto is_empty = [&](const Row& row) { return row.cells[*column].empty(); };
    if (!column || std::all_of(table.rows.begin(), table.rows.end(), is_empty)) return texts;
    for (const Row& row : table.rows) texts.push_back(label_text(table, *column, row));
    return texts;
}

// Hugging Face's placeholder LABEL_3 is spelled 3 in files.
std::vector<std::string> spellings_of(const Labels& labels) {
    std::vector<std::string> spellings = labels.names;
    for (std::size_t i = 0; i < spellings.size(); ++i) {
        if (spellings[i] != fmt::format("LABEL_{}", i)) return labels.names;
        spellings[i] = std::to_string(i);
    }
    return spellings;
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

Dataset read_examples(const std::filesystem::path& file, const std::optional<Labels>& labels, LabelUse use) {
    Table table = read_table(file);
    if (table.rows.empty()) throw InputError(file, "", "has a header but no rows");
    Columns columns = find_columns(table);
    if (use == LabelUse::ignored) columns.label.reset();
    for (const auto column : {std::optional(columns.sentence1), columns.sentence2, columns.label})
        check_flat(table, column);
    for (const Row& row : table.rows) check_row_width(table, row);
    const auto texts = label_texts(table, columns.label);
    Dataset dataset{file.stem().string(), file, {}, labels ? *labels : texts.empty() ? Labels{} : infer_labels(texts)};
    if (columns.guessed) dataset.guessed_columns.push_back(table.header[columns.sentence1]);
    if (columns.guessed && columns.sentence2) dataset.guessed_columns.push_back(table.header[*columns.sentence2]);
    if (texts.empty()) dataset.columns = table.header;
    const auto spellings = spellings_of(dataset.labels);
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        Row& row = table.rows[i];
        Example example;
        if (!texts.empty()) example.label = parse_label(texts[i], dataset.labels, spellings, file, row.line);
        if (is_missing(row, columns.sentence1))
            throw InputError(file, at_line(row.line), fmt::format("{} is missing", table.header[columns.sentence1]));
        example.sentence1 = std::move(row.cells[columns.sentence1]);
        if (columns.sentence2 && !is_missing(row, *columns.sentence2))
            example.sentence2 = std::move(row.cells[*columns.sentence2]);
        dataset.examples.push_back(std::move(example));
    }
    return dataset;
}

Dataset read_lines(std::istream& in, const std::string& name) {
    Dataset dataset{name, name, {}, {}};
    for (std::string line; std::getline(in, line);) {
        if (line.ends_with('\r')) line.pop_back();
        if (dataset.examples.empty() && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
        check_line(dataset, line);
        append_line(dataset, line);
    }
    if (in.bad()) throw InputError(name, "", "can't be read");
    if (dataset.examples.empty()) throw InputError(name, "", "is empty, expected a sentence a line");
    return dataset;
}

}  // namespace moebert
