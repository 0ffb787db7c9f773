// UTF-8 in and out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace moebert {

// What some editors begin a UTF-8 file with.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct DecodedCharacter {
    char32_t code_point;
    std::uint32_t bytes;  // at least 1
    bool valid;
};

// The character at byte `at` of `text`. A malformed sequence counts as one U+FFFD for each maximal part that could have
// begun a character (Unicode 15, section 3.9, "Substitution of Maximal Subparts"), as Python's errors="replace" does.
DecodedCharacter decode_utf8(std::string_view text, std::size_t at);

void append_utf8(std::string& text, char32_t code_point);

// Number of characters, malformed sequences counted as above.
std::size_t count_characters(std::string_view text);

// The byte where character `index` begins: text.size() for the one after the last, npos beyond it or below 0.
std::size_t byte_of_character(std::string_view text, std::int64_t index);

// The byte where the first malformed sequence begins.
std::optional<std::size_t> find_malformed_utf8(std::string_view text);

}  // namespace moebert
