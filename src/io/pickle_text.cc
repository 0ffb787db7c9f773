#include "io/pickle_text.h"

#include <charconv>
#include <cstdint>

namespace moebert::pickle {
namespace {

// The hexadecimal number of `digits` digits at the front of `text`, which it is taken off.
std::optional<std::uint32_t> take_hex(std::string_view& text, std::size_t digits) {
    std::uint32_t value = 0;
    if (text.size() < digits) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value, 16);
    if (error != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    return value;
}

char take(std::string_view& text) {
    const char first = text.front();
    text.remove_prefix(1);
    return first;
}

void append_utf8(std::string& text, std::uint32_t code) {
    const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
        text += static_cast<char>(code);
    } else if (code < 0x800) {
        text += {static_cast<char>(0xc0 | code >> 6), tail(0)};
    } else if (code < 0x10000) {
        text += {static_cast<char>(0xe0 | code >> 12), tail(6), tail(0)};
    } else {
        text += {static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0)};
    }
}

// What follows a backslash in a repr.
std::optional<char> take_escaped(std::string_view& text) {
    if (text.empty()) return std::nullopt;
    switch (take(text)) {
        case '\\':
            return '\\';
        case '\'':
            return '\'';
        case '"':
            return '"';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        case 'x':
            if (const auto code = take_hex(text, 2)) return static_cast<char>(*code);
            return std::nullopt;
        default:
            return std::nullopt;
    }
}

}  // namespace

std::optional<std::string> decode_string_literal(std::string_view line) {
    const bool quoted =
        line.size() >= 2 && (line.front() == '\'' || line.front() == '"') && line.back() == line.front();
    if (!quoted) return std::nullopt;
    std::string decoded;
    for (std::string_view rest = line.substr(1, line.size() - 2); !rest.empty();) {
        std::optional<char> next = take(rest);
        if (next == '\\') next = take_escaped(rest);
        if (!next) return std::nullopt;
        decoded += *next;
    }
    return decoded;
}

std::optional<std::string> decode_raw_unicode(std::string_view line) {
    std::string decoded;
    while (!line.empty()) {
        std::optional<std::uint32_t> code = static_cast<unsigned char>(take(line));
        if (code == '\\' && (line.starts_with('u') || line.starts_with('U'))) {
            code = take_hex(line, take(line) == 'u' ? 4 : 8);
        }
        if (!code || *code > 0x10ffff) return std::nullopt;
        append_utf8(decoded, *code);
    }
    return decoded;
}

}  // namespace moebert::pickle
