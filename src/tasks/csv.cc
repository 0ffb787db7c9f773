#include <algorithm>

#include "core/error.h"
#include "tasks/table.h"

namespace moebert {
namespace {

// Reads RFC 4180 cell by cell.
class CsvParser {
public:
    CsvParser(const std::filesystem::path& file, std::string_view text) : file_(file), text_(text) {}

    bool at_end() const { return at_ >= text_.size(); }

    Row next_row() {
        Row row;
        row.line = line_;
        do {
            row.cells.push_back(next_cell());
        } while (take(','));
        end_line();
        return row;
    }

private:
    bool take(char c) {
        if (at_end() || text_[at_] != c) return false;
        ++at_;
        if (c == '\n') ++line_;
        return true;
    }

    std::string next_cell() {
        if (take('"')) return quoted_cell();
        const std::size_t begin = at_;
        at_ = std::min(text_.find_first_of(",\r\n", at_), text_.size());
        return std::string(text_.substr(begin, at_ - begin));
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
        throw InputError(file_, at_line(line_), "text after a closing quote, expected a comma or the line's end");
    }

    const std::filesystem::path& file_;
    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
};

}  // namespace

Table parse_csv(const std::filesystem::path& file, std::string_view text) {
    text = text.substr(0, text.find_last_not_of("\r\n") + 1);
    CsvParser parser(file, text);
    Table table{file, parser.next_row().cells, {}};
    while (!parser.at_end()) table.rows.push_back(parser.next_row());
    return table;
}

}  // namespace moebert
