#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "tasks/table.h"

namespace moebert {
namespace {

// Reads RFC 4180 cell by cell.
class CsvParser {
public:
    CsvParser(const std::filesystem::path& file, std::string_view text, char separator)
        : file_(file), text_(text), separator_(separator) {}

    bool at_end() const { return at_ >= text_.size(); }

    // Blank lines before the next row; a row of one empty cell is written "".
    void skip_blank_lines() {
        while (!at_end() && (text_[at_] == '\n' || text_[at_] == '\r')) end_line();
    }

    Row next_row() {
        Row row;
        row.line = line_;
        do {
            row.cells.push_back(next_cell());
        } while (take(separator_));
        end_line();
        return row;
    }

    // Whether cells were quoted, each of them as it has to be, and no others have quotes.
    bool quotes_cells() const { return has_quoted_ && !has_bare_quote_; }

private:
    bool take(char c) {
        if (at_end() || text_[at_] != c) return false;
        ++at_;
        if (c == '\n') ++line_;
        return true;
    }

    std::string next_cell() {
        if (take('"')) {
            auto cell = quoted_cell();
            (needs_quotes(cell) ? has_quoted_ : has_bare_quote_) = true;
            return cell;
        }
        const std::size_t begin = at_;
        const char ends[] = {separator_, '\r', '\n'};
        at_ = std::min(text_.find_first_of(std::string_view(ends, 3), at_), text_.size());
        const auto cell = text_.substr(begin, at_ - begin);
        has_bare_quote_ |= cell.find('"') != std::string_view::npos;
        return std::string(cell);
    }

    bool needs_quotes(std::string_view cell) const {
        const char special[] = {separator_, '\r', '\n', '"'};
        return cell.find_first_of(std::string_view(special, 4)) != std::string_view::npos;
    }

    std::string quoted_cell() {
        const std::size_t first_line = line_;
        std::string cell;
        while (!at_end()) {
            if (take('"')) {
                if (!take('"')) return cell;
                cell += '"';
            } else {
                const char c = text_[at_];
                take(c);
                cell += c;
            }
        }
        throw InputError(file_, at_line(first_line), "a quoted cell begins here and never ends");
    }

    void end_line() {
        if (at_end() || take('\n')) return;
        const bool carriage_return = take('\r');
        if (carriage_return && (at_end() || take('\n'))) return;
        if (carriage_return) {
            ++line_;
            return;  // the line end of old Macintosh files
        }
        throw InputError(
            file_, at_line(line_),
            fmt::format("text after a closing quote, expected {} or the line's end", separator_ == ','   ? "a comma"
                                                                                     : separator_ == ';' ? "a semicolon"
                                                                                                         : "a tab"));
    }

    const std::filesystem::path& file_;
    std::string_view text_;
    char separator_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
    bool has_quoted_ = false, has_bare_quote_ = false;
};

}  // namespace

Table parse_csv(const std::filesystem::path& file, std::string_view text, char separator) {
    CsvParser parser(file, text, separator);
    Table table{file, {}, {}};
    for (parser.skip_blank_lines(); !parser.at_end(); parser.skip_blank_lines()) {
        auto row = parser.next_row();
        if (table.header.empty())
            table.header = std::move(row.cells);
        else
            table.rows.push_back(std::move(row));
    }
    return table;
}

bool has_quoted_cells(const std::filesystem::path& file, std::string_view tsv) try {
    if (tsv.find('"') == std::string_view::npos) return false;
    CsvParser parser(file, tsv, '\t');
    for (parser.skip_blank_lines(); !parser.at_end(); parser.skip_blank_lines()) parser.next_row();
    return parser.quotes_cells();
} catch (const InputError&) {
    return false;
}

}  // namespace moebert
