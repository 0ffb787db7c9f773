// Case of ASCII letters alone: of keywords, endings and names of columns, whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace moebert {

constexpr char lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline std::string lower_ascii(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) c = lower_ascii(c);
    return lower;
}

}  // namespace moebert
