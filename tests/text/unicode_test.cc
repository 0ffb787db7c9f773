#include "text/unicode.h"

#include <gtest/gtest.h>

namespace moebert {
namespace {

template <class Predicate>
int count_characters_that(Predicate predicate) {
    int count = 0;
    for (char32_t c = 0; c < 0x110000; ++c) count += (c < 0xD800 || c >= 0xE000) && predicate(c);
    return count;
}

// Counted over every code point with the tokenizers package 0.23.3 (tests/text/make_unicode_exceptions.py asks it the
// same).
TEST(Unicode, HasTheCharacterClassesOfTheTokenizersPackage) {
    EXPECT_EQ(count_characters_that(is_control), 137681);
    EXPECT_EQ(count_characters_that(is_whitespace), 25);
    EXPECT_EQ(count_characters_that(is_punctuation), 726);
    EXPECT_EQ(count_characters_that(is_nonspacing_mark), 1567);
    EXPECT_EQ(count_characters_that(is_chinese), 81264);
}

TEST(Unicode, LowersEachCharacterForItself) {
    EXPECT_EQ(to_lower(U'Σ').characters[0], U'σ');
    EXPECT_EQ(to_lower(U'ẞ').characters[0], U'ß');
    EXPECT_EQ(to_lower(U'ǅ').characters[0], U'ǆ');
    const Expansion dotted = to_lower(U'İ');
    EXPECT_EQ(dotted.size, 2U);
    EXPECT_EQ(dotted.characters[0], U'i');
    EXPECT_EQ(dotted.characters[1], U'\u0307');
}

TEST(Unicode, DecomposesInFull) {
    EXPECT_EQ(decompose(U'ệ').size, 3U);
    EXPECT_EQ(decompose(U'각').size, 3U);
    EXPECT_EQ(decompose(U'ﬁ').size, 1U);  // a compatibility character
}

}  // namespace
}  // namespace moebert
