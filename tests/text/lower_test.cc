#include <gtest/gtest.h>

#include <cstdint>

#include "text/unicode.h"

namespace moebert {
namespace {

// Assigned after Unicode 14.0, which is Python 3.11's: later Pythons lower them as we do.
bool is_new(char32_t c) {
    return c == 0x1C89 || (c >= 0xA7CB && c <= 0xA7DC) || (c >= 0x10D50 && c <= 0x10D65) ||
           (c >= 0x16EA0 && c <= 0x16EB8);
}

// FNV-1a over what becomes of every other code point, alone and between two letters. The number is Python's:
//   for c in range(0x110000): for text in (chr(c), "a" + chr(c) + "b"): text.lower(), then 0; surrogates left out
TEST(LowerText, IsPythonsForEveryCodePoint) {
    std::uint64_t hash = 1469598103934665603U;
    const auto add = [&](std::u32string_view text) {
        for (const char32_t c : text) hash = (hash ^ c) * 1099511628211U;
        hash = (hash ^ 0U) * 1099511628211U;
    };
    for (char32_t c = 0; c < 0x110000; ++c) {
        if ((c >= 0xD800 && c < 0xE000) || is_new(c)) continue;
        add(lower_text(std::u32string(1, c)));
        add(lower_text(std::u32string{U'a', c, U'b'}));
    }
    EXPECT_EQ(hash, 0x87eb59a58bd48eabU);
}

TEST(LowerText, ACapitalSigmaIsFinalAtAWordsEndOnly) {
    EXPECT_EQ(lower_text(U"ΟΔΟΣ ΣΑΣ Σ Α.Σ ΑΣ'"), U"οδος σας σ α.ς ας'");
}

}  // namespace
}  // namespace moebert
