#include "text/tokenizer.h"

#include <random>

#include "core/error.h"
#include "core/utf8.h"
#include "text/support.h"

namespace moebert::test {
namespace {

const Tokenizer& small_tokenizer() {
    static const Tokenizer tokenizer(small_vocabulary());
    return tokenizer;
}

std::vector<std::string> tokens_of(const Tokenizer& tokenizer, std::string_view text) {
    std::vector<std::string> tokens;
    for (const std::int32_t id : tokenizer.encode_plain(text).input_ids) tokens.emplace_back(tokenizer.token(id));
    return tokens;
}

using Tokens = std::vector<std::string>;

TEST(Tokenizer, CutsWordsIntoTheLongestPieces) {
    EXPECT_EQ(tokens_of(small_tokenizer(), "unaffable"), Tokens({"una", "##ffa", "##ble"}));
}

TEST(Tokenizer, AWordThatCannotBeCutUpIsUnknownAsAWhole) {
    EXPECT_EQ(tokens_of(small_tokenizer(), "catдд catдΩ cat"), Tokens({"cat", "##д", "##д", "[UNK]", "cat"}));
}

TEST(Tokenizer, MaskTokenInTheTextIsOneToken) {
    EXPECT_EQ(tokens_of(small_tokenizer(), "the[MASK]cat"), Tokens({"the", "[MASK]", "cat"}));
}

TEST(Tokenizer, OneTextIsBetweenClsAndSep) {
    const Encoding encoding = small_tokenizer().encode("the cat");
    EXPECT_EQ(encoding.input_ids.front(), small_tokenizer().cls_id());
    EXPECT_EQ(encoding.input_ids.back(), small_tokenizer().sep_id());
    EXPECT_EQ(encoding.input_ids.size(), 4U);
    EXPECT_EQ(encoding.token_type_ids, std::vector<std::uint8_t>(4, 0));
}

TEST(Tokenizer, TheSecondTextAndItsSepHaveTypeOne) {
    const Encoding encoding = small_tokenizer().encode("the cat", "new york");
    EXPECT_EQ(encoding.token_type_ids, std::vector<std::uint8_t>({0, 0, 0, 0, 1, 1, 1}));
}

TEST(Tokenizer, OffsetsCountCharactersNotBytes) {
    const Encoding encoding = small_tokenizer().encode_plain("éé cat", true);
    EXPECT_EQ(encoding.offsets.back(), (std::array<std::uint32_t, 2>{3, 6}));
}

TEST(Tokenizer, MalformedBytesAreDroppedAndCountOneCharacterEach) {
    const Encoding encoding = small_tokenizer().encode_plain("\xFF\xC3 cat", true);
    EXPECT_EQ(encoding.input_ids, small_tokenizer().encode_plain("cat").input_ids);
    EXPECT_EQ(encoding.offsets.back(), (std::array<std::uint32_t, 2>{3, 6}));
}

TEST(Tokenizer, ALengthWithoutRoomForSpecialTokensIsAnError) {
    EXPECT_NO_THROW(small_tokenizer().encode("cat", std::nullopt, 2));
    EXPECT_THROW(small_tokenizer().encode("cat", std::nullopt, 1), Error);
    EXPECT_THROW(small_tokenizer().encode("cat", "cat", 2), Error);
}

TEST(Tokenizer, AnIdOutsideTheVocabularyIsAnError) {
    EXPECT_THROW(small_tokenizer().token(-1), Error);
    EXPECT_THROW(small_tokenizer().token(static_cast<std::int32_t>(small_tokenizer().vocab_size())), Error);
}

TEST(Tokenizer, FindsEveryTokenOfTheVocabulary) {
    const auto vocabulary = small_vocabulary();
    for (std::size_t i = 0; i < vocabulary.size(); ++i) {
        EXPECT_EQ(small_tokenizer().id(vocabulary[i]), static_cast<std::int32_t>(i)) << vocabulary[i];
    }
    EXPECT_EQ(small_tokenizer().id("no such token"), std::nullopt);
    EXPECT_EQ(small_tokenizer().id(""), std::nullopt);
}

TEST(Tokenizer, OfATokenThatOccursTwiceTheLastCounts) {
    const Tokenizer tokenizer({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "cat", "cat"});
    EXPECT_EQ(tokenizer.encode_plain("cat").input_ids, std::vector<std::int32_t>{5});
}

TEST(Tokenizer, OnlyTheMaskMayBeMissing) {
    EXPECT_EQ(Tokenizer({"[PAD]", "[UNK]", "[CLS]", "[SEP]"}).mask_id(), -1);
    for (std::size_t missing = 0; missing < 4; ++missing) {
        std::vector<std::string> vocabulary = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
        vocabulary.erase(vocabulary.begin() + static_cast<std::ptrdiff_t>(missing));
        EXPECT_THROW(Tokenizer{vocabulary}, Error);
    }
    EXPECT_THROW(Tokenizer(std::vector<std::string>{}), Error);
}

TEST(Tokenizer, TextsOfAnyBytesGiveOrderedOffsetsInsideTheText) {
    std::mt19937 random(3);
    std::uniform_int_distribution<int> length(0, 60), byte(0, 255), kind(0, 3);
    for (int round = 0; round < 5000; ++round) {
        std::string text;
        for (int i = length(random); i > 0; --i) {
            text += static_cast<char>(kind(random) == 0 ? byte(random)
                                                        : "ab [MASK]\xCC\x81\xC3\xA9.\xE4\xB8\xAD"[byte(random) % 18]);
        }
        const Encoding encoding = small_tokenizer().encode_plain(text, true);
        ASSERT_EQ(encoding.offsets.size(), encoding.input_ids.size());
        std::uint32_t last = 0;
        for (const auto& [begin, end] : encoding.offsets) {
            ASSERT_LE(last, end);
            ASSERT_LE(begin, end);
            last = end;
        }
        ASSERT_LE(last, count_characters(text));
    }
}

TEST(Tokenizer, WordsBesideEachOtherDontInfluenceEachOther) {
    std::mt19937 random(4);
    const auto cases = golden_cases("golden_texts.jsonl");
    std::uniform_int_distribution<std::size_t> any(0, cases.size() - 1);
    for (int round = 0; round < 2000; ++round) {
        const std::string &a = cases[any(random)].text, &b = cases[any(random)].text;
        auto joined = small_tokenizer().encode_plain(a).input_ids;
        const auto second = small_tokenizer().encode_plain(b).input_ids;
        joined.insert(joined.end(), second.begin(), second.end());
        ASSERT_EQ(small_tokenizer().encode_plain(a + " " + b).input_ids, joined) << a << " | " << b;
    }
}

TEST(RealVocabulary, HasTheWellKnownIds) {
    const auto folder = shared_data() / "vocab/bert-base-uncased";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is missing; set MOEBERT_SHARED";
    const Tokenizer tokenizer = Tokenizer::load(folder);
    EXPECT_EQ(tokenizer.vocab_size(), 30522U);
    EXPECT_EQ(tokenizer.encode("Hello, world!").input_ids,
              std::vector<std::int32_t>({101, 7592, 1010, 2088, 999, 102}));
}

}  // namespace
}  // namespace moebert::test
