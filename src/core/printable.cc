#include "core/printable.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/utf8.h"

namespace moebert {
namespace {

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

// Line and paragraph separators, and the marks of bidirectional text.
bool is_invisible(char32_t c) {
    return c == 0x061C || (c >= 0x200E && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

std::string escaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto c = decode_utf8(text, at);
        const auto bytes = text.substr(at, c.bytes);
        if (c.valid && is_invisible(c.code_point))
            out += fmt::format("\\u{:04X}", static_cast<unsigned>(c.code_point));
        else if (!c.valid || is_control(c.code_point))
            for (const unsigned char byte : bytes) out += fmt::format("\\x{:02X}", byte);
        else
            out += bytes;
        at += c.bytes;
    }
    return out;
}

// Not in the middle of a character.
std::size_t character_begin(std::string_view text, std::size_t at) {
    while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) --at;
    return at;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
    constexpr std::string_view kDots = " ... ";
    most = std::max(most, kDots.size());
    // What is left out needs no escapes; no part of it becomes shorter by them.
    std::string out = text.size() <= 2 * most
                          ? escaped(text)
                          : escaped(text.substr(0, most)) + escaped(text.substr(text.size() - most));
    if (out.size() <= most && text.size() <= 2 * most) return out;
    const auto kept = most - kDots.size(), front = character_begin(out, kept * 2 / 3);
    const auto back = character_begin(out, out.size() - (kept - front));
    return out.substr(0, front).append(kDots).append(out, back);
}

}  // namespace moebert
