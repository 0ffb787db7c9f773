#include "core/utf8.h"

namespace moebert {
namespace {

constexpr char32_t replacement_character = 0xFFFD;

// What a lead byte says about the bytes after it (Unicode 15, table 3-7).
struct Lead {
    std::uint32_t length;    // 0: can't begin a character
    std::uint8_t low, high;  // bounds of the second byte
};

Lead classify_lead(std::uint8_t byte) {
    if (byte < 0xC2) return {0, 0, 0};
    if (byte < 0xE0) return {2, 0x80, 0xBF};
    if (byte == 0xE0) return {3, 0xA0, 0xBF};
    if (byte == 0xED) return {3, 0x80, 0x9F};
    if (byte < 0xF0) return {3, 0x80, 0xBF};
    if (byte == 0xF0) return {4, 0x90, 0xBF};
    if (byte < 0xF4) return {4, 0x80, 0xBF};
    if (byte == 0xF4) return {4, 0x80, 0x8F};
    return {0, 0, 0};
}

}  // namespace

DecodedCharacter decode_utf8(std::string_view text, std::size_t at) {
    const auto first = static_cast<std::uint8_t>(text[at]);
    if (first < 0x80) return {first, 1, true};
    const Lead lead = classify_lead(first);
    char32_t code_point = first & (0x7F >> lead.length);
    std::uint32_t bytes = 1;
    for (; bytes < lead.length; ++bytes) {
        if (at + bytes >= text.size()) return {replacement_character, bytes, false};
        const auto byte = static_cast<std::uint8_t>(text[at + bytes]);
        const bool fits = bytes == 1 ? byte >= lead.low && byte <= lead.high : (byte & 0xC0) == 0x80;
        if (!fits) return {replacement_character, bytes, false};
        code_point = code_point << 6 | (byte & 0x3F);
    }
    if (lead.length == 0) return {replacement_character, 1, false};
    return {code_point, bytes, true};
}

void append_utf8(std::string& text, char32_t c) {
    const auto put = [&text](char32_t byte) { text.push_back(static_cast<char>(byte)); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
    }
}

std::size_t count_characters(std::string_view text) {
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size(); at += decode_utf8(text, at).bytes) ++count;
    return count;
}

std::size_t byte_of_character(std::string_view text, std::int64_t index) {
    std::size_t at = 0;
    for (; index > 0 && at < text.size(); --index) at += decode_utf8(text, at).bytes;
    return index == 0 ? at : std::string_view::npos;
}

std::optional<std::size_t> find_malformed_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const DecodedCharacter character = decode_utf8(text, at);
        if (!character.valid) return at;
        at += character.bytes;
    }
    return std::nullopt;
}

}  // namespace moebert
