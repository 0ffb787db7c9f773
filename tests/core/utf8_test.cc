#include "core/utf8.h"

#include <gtest/gtest.h>

namespace moebert {
namespace {

TEST(Utf8, EveryCharacterIsReadAsItWasWritten) {
    for (char32_t c = 0; c < 0x110000; ++c) {
        if (c >= 0xD800 && c < 0xE000) continue;
        std::string text;
        append_utf8(text, c);
        const DecodedCharacter decoded = decode_utf8(text, 0);
        ASSERT_EQ(decoded.code_point, c);
        ASSERT_EQ(decoded.bytes, text.size());
        ASSERT_TRUE(decoded.valid);
    }
}

TEST(Utf8, SurrogatesOverlongFormsAndTooLargeOnesAreMalformed) {
    for (const char* text :
         {"\xED\xA0\x80", "\xC0\x80", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\x80", "\xFF"}) {
        EXPECT_EQ(find_malformed_utf8(text), 0U);
    }
}

// Counts as Python's bytes.decode("utf-8", errors="replace") gives them.
TEST(Utf8, AMalformedSequenceCountsOneCharacterForEachMaximalPart) {
    EXPECT_EQ(count_characters("\xF0\x9F\x98"), 1U);
    EXPECT_EQ(count_characters("\xF0\x9F\x98z"), 2U);
    EXPECT_EQ(count_characters("\xED\xA0\x80"), 3U);
    EXPECT_EQ(count_characters("\xC3\xC3\xA9"), 2U);
    EXPECT_EQ(count_characters("\xE4\xB8"), 1U);
    EXPECT_EQ(decode_utf8("\xE4\xB8", 0).code_point, U'\uFFFD');
}

TEST(Utf8, TellsWhereTheFirstMalformedSequenceIs) {
    EXPECT_EQ(find_malformed_utf8("caf\xC3\xA9"), std::nullopt);
    EXPECT_EQ(find_malformed_utf8("caf\xC3\xA9 \xC3 x"), 6U);
}

}  // namespace
}  // namespace moebert
