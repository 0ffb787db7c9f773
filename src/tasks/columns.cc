#include "tasks/columns.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "core/ascii.h"
#include "core/error.h"

namespace moebert {
namespace {

// Pairs of texts as data sets call them: run_glue's, and others that are common.
constexpr std::pair<const char*, const char*> kPairs[] = {
    {"question1", "question2"},   {"premise", "hypothesis"}, {"question", "sentence"}, {"text1", "text2"},
    {"text_a", "text_b"},         {"text", "text_pair"},     {"query", "passage"},     {"sentence_a", "sentence_b"},
    {"sentence_1", "sentence_2"}, {"text_1", "text_2"},      {"sent1", "sent2"},       {"q1", "q2"},
    {"query", "document"},        {"claim", "evidence"},     {"question", "answer"}};

// Single texts, those first that are texts whatever stands beside them.
constexpr const char* kTexts[] = {"sentence", "text"};
constexpr const char* kLikelyTexts[] = {"review",       "review_text", "review_body", "content", "comment",
                                        "comment_text", "tweet",       "utterance",   "message", "document",
                                        "body",         "sentence1",   "headline",    "query",   "question",
                                        "description",  "abstract"};

constexpr const char* kLabels[] = {"labels",    "target",   "targets", "class", "category", "gold_label", "intent",
                                   "sentiment", "label_id", "classes", "score", "rating",   "stars",      "y"};

// Numbers of rows, and what else is never a text. A column without a name is pandas' index.
bool is_index(const std::string& name) {
    const std::set<std::string> names = {
        "", "idx", "index", "id", "ids", "guid", "uuid", "label_text", "__index_level_0__"};
    const auto key = lower_ascii(name);
    return names.contains(key) || key.starts_with("unnamed:") || key.ends_with("_id") || key.ends_with("_idx");
}

bool is_label(const std::string& name) {
    const auto key = lower_ascii(name);
    return key == "label" || std::ranges::find(kLabels, key) != std::end(kLabels);
}

bool is_numeric(const std::string& text) {
    double value = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && rest == end;
}

bool has_numbers_only(const Table& table, std::size_t column) {
    return std::ranges::all_of(table.rows, [&](const Row& row) {
        return row.cells.size() <= column || row.cells[column].empty() || is_numeric(row.cells[column]);
    });
}

// Columns that may be texts, for all that their names and cells tell.
std::vector<std::size_t> possible_texts(const Table& table, std::optional<std::size_t> label) {
    std::vector<std::size_t> columns;
    for (std::size_t i = 0; i < table.header.size(); ++i) {
        const auto& name = table.header[i];
        if (i == label || is_index(name) || is_label(name) || table.nested.contains(i)) continue;
        if (!has_numbers_only(table, i)) columns.push_back(i);
    }
    return columns;
}

std::size_t require_column(const Table& table, const std::string& name, const char* option) {
    if (const auto column = table.find_column(name)) return *column;
    throw InputError(
        table.file, "",
        fmt::format("{}: there is no column \"{}\" among {}", option, name, fmt::join(table.header, ", ")));
}

// Its number, if there is a column of labels.
std::optional<std::size_t> find_label(const Table& table, const ColumnNames& names) {
    if (!names.label.empty()) return require_column(table, names.label, "label_column_name");
    if (const auto label = table.find_column("label")) return label;
    std::vector<std::size_t> found;
    std::vector<std::string> called;
    for (const char* name : kLabels)
        if (const auto column = table.find_column(name); column && std::ranges::find(found, *column) == found.end()) {
            found.push_back(*column);
            called.push_back(table.header[*column]);
        }
    if (found.size() > 1)
        throw InputError(table.file, "",
                         fmt::format("can't tell which of {} has the labels; name it with label_column_name",
                                     fmt::join(called, ", ")));
    return found.empty() ? std::nullopt : std::optional(found.front());
}

[[noreturn]] void refuse_to_guess(const Table& table, const std::vector<std::size_t>& possible) {
    std::vector<std::string> names;
    for (const auto column : possible) names.push_back(table.header[column]);
    throw InputError(
        table.file, "",
        fmt::format("can't tell the texts among the columns {}; name them with text_column_names, or call them "
                    "sentence1 (and sentence2)",
                    fmt::join(names.empty() ? table.header : names, ", ")));
}

Columns find_texts(const Table& table, const ColumnNames& names, std::optional<std::size_t> label) {
    if (!names.texts.empty()) {
        Columns columns{require_column(table, names.texts[0], "text_column_names"), {}, {}};
        if (names.texts.size() > 1) columns.sentence2 = require_column(table, names.texts[1], "text_column_names");
        return columns;
    }
    const auto is_free = [&](std::optional<std::size_t> column) { return column && column != label; };
    if (const auto first = table.find_column("sentence1"); is_free(first))
        return {*first, table.find_column("sentence2"), {}};
    for (const auto& [name1, name2] : kPairs)
        if (const auto first = table.find_column(name1), second = table.find_column(name2);
            is_free(first) && is_free(second))
            return {*first, second, {}};
    const auto possible = possible_texts(table, label);
    for (const char* name : kTexts)
        if (const auto only = table.find_column(name); is_free(only)) return {*only, {}, {}, possible.size() > 1};
    std::vector<std::size_t> likely;
    for (const char* name : kLikelyTexts)
        if (const auto column = table.find_column(name);
            is_free(column) && std::ranges::find(possible, *column) != possible.end())
            likely.push_back(*column);
    if (likely.size() == 1) return {likely[0], {}, {}, possible.size() > 1};
    if (possible.size() != 1) refuse_to_guess(table, possible);
    return {possible[0], {}, {}, true};
}

void check_unique(const Table& table, std::optional<std::size_t> column) {
    if (column && std::ranges::count(table.header, table.header[*column]) > 1)
        throw InputError(table.file, "", fmt::format("has more than one column \"{}\"", table.header[*column]));
}

}  // namespace

Columns find_columns(const Table& table, const ColumnNames& names, bool needs_label) {
    const bool looks = needs_label || !names.label.empty();
    const auto label = looks ? find_label(table, names) : std::nullopt;
    auto columns = find_texts(table, names, label);
    if (needs_label) columns.label = label;
    for (const auto column : {std::optional(columns.sentence1), columns.sentence2, label}) check_unique(table, column);
    return columns;
}

}  // namespace moebert
