// JSON written piece by piece, for output so long that building values first would take most of the time.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

namespace moebert {

inline void append_number(std::string& out, std::uint32_t value) {
    char digits[16];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// "key": [item, ...], each item written by `append`.
template <class Items, class Append>
void append_list(std::string& out, const char* key, const Items& items, Append append) {
    out.append("\"").append(key).append("\": [");
    bool first = true;
    for (const auto& item : items) {
        if (!std::exchange(first, false)) out += ", ";
        append(item);
    }
    out += ']';
}

// [begin, end]
template <class Offset>
void append_offset(std::string& out, const Offset& offset) {
    out += '[';
    append_number(out, offset[0]);
    out += ", ";
    append_number(out, offset[1]);
    out += ']';
}

}  // namespace moebert
