#include "tasks/text_places.h"

#include <gtest/gtest.h>

#include <random>

#include "core/utf8.h"

namespace moebert {
namespace {

// As the plain functions have it, for few searches and for many.
std::int64_t plain_only_place(std::string_view text, std::string_view part) {
    const auto at = text.find(part);
    if (part.empty() || at == std::string_view::npos || text.find(part, at + 1) != std::string_view::npos) return -1;
    return static_cast<std::int64_t>(count_characters(text.substr(0, at)));
}

std::string random_text(std::mt19937& random, std::size_t characters) {
    constexpr const char* kCharacters[] = {"a", "a", "b", "\u00fc", "\u4e2d", "\xff"};
    std::string text;
    for (std::size_t i = 0; i < characters; ++i) text += kCharacters[random() % std::size(kCharacters)];
    return text;
}

TEST(TextPlaces, AreThoseThatThePlainFunctionsFind) {
    std::mt19937 random(1);
    for (const std::size_t characters : {0U, 1U, 63U, 64U, 65U, 200U}) {
        const auto text = random_text(random, characters);
        TextPlaces places(text);
        for (std::int64_t i = -2; i < static_cast<std::int64_t>(characters) + 3; ++i)
            EXPECT_EQ(places.byte_of_character(i), byte_of_character(text, i)) << i;
        for (int search = 0; search < 300; ++search) {
            const auto part = search % 3 == 0 ? random_text(random, random() % 5)
                                              : text.substr(random() % (text.size() + 1), 1 + random() % 12);
            EXPECT_EQ(places.only_place_of(part), plain_only_place(text, part)) << search << " " << part;
        }
    }
}

TEST(TextPlaces, OfATextOfOneCharacterRepeated) {
    const std::string text(1000, 'a');
    TextPlaces places(text);
    for (int search = 0; search < 200; ++search) {
        EXPECT_EQ(places.only_place_of("a"), -1);
        EXPECT_EQ(places.only_place_of(text), 0);
        EXPECT_EQ(places.only_place_of(text + "a"), -1);
    }
}

}  // namespace
}  // namespace moebert
