// Which columns of a table are its texts and its labels.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tasks/table.h"

namespace moebert {

// The columns that the user names; what is empty is found by its name.
struct ColumnNames {
    std::vector<std::string> texts = {};  // of the text, or of both texts of a pair
    std::string label = {};

    bool operator==(const ColumnNames&) const = default;
};

struct Columns {
    std::size_t sentence1;
    std::optional<std::size_t> sentence2, label;
    bool guessed = false;  // no name says that they are the texts
};

// As read_examples() describes. Without `needs_label` a column of labels is only looked for where it is named. Throws
// an InputError where a name that is given isn't there, or names don't tell.
Columns find_columns(const Table& table, const ColumnNames& names, bool needs_label);

}  // namespace moebert
