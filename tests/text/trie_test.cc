#include "text/trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace moebert {
namespace {

TEST(Trie, FindsTheLongestPrefix) {
    const Trie trie({{"a", 1}, {"abc", 2}, {"b", 3}});
    EXPECT_EQ(trie.longest(Trie::root, "abcd").value, 2);
    EXPECT_EQ(trie.longest(Trie::root, "abcd").length, 3U);
    EXPECT_EQ(trie.longest(Trie::root, "abd").value, 1);
    EXPECT_EQ(trie.longest(Trie::root, "cab").value, Trie::no_value);
}

TEST(Trie, WithoutEntriesFindsNothing) {
    const Trie trie({});
    EXPECT_EQ(trie.find("a"), Trie::no_value);
    EXPECT_EQ(trie.find(""), Trie::no_value);
}

TEST(Trie, DoesNotKeepTheEmptyString) { EXPECT_EQ(Trie({{"", 1}, {"a", 2}}).find(""), Trie::no_value); }

TEST(Trie, OfEqualEntriesTheLastCounts) { EXPECT_EQ(Trie({{"a", 1}, {"a", 2}}).find("a"), 2); }

std::string random_string(std::mt19937& random, int letters) {
    std::uniform_int_distribution<int> length(0, 6), byte(0, letters);
    std::string text;
    for (int i = length(random); i > 0; --i) text += static_cast<char>(byte(random));
    return text;
}

// Few different bytes make deep tries, all of them wide ones.
TEST(Trie, AgreesWithAMapOnRandomBytes) {
    for (const int letters : {1, 3, 255}) {
        std::mt19937 random(6);
        std::map<std::string, std::int32_t> map;
        for (int i = 0; i < 3000; ++i) map[random_string(random, letters)] = i;
        map.erase("");
        const Trie trie({map.begin(), map.end()});
        for (const auto& [text, value] : map) ASSERT_EQ(trie.find(text), value);
        for (int i = 0; i < 3000; ++i) {
            const std::string text = random_string(random, letters);
            const auto found = map.find(text);
            ASSERT_EQ(trie.find(text), found == map.end() ? Trie::no_value : found->second);
        }
    }
}

}  // namespace
}  // namespace moebert
