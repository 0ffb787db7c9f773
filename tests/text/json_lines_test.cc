#include "text/json_lines.h"

#include <sstream>

#include "core/error.h"
#include "text/support.h"

namespace moebert::test {
namespace {

std::vector<nlohmann::json> tokenize(const std::string& text, const TokenizeOptions& options = {}) {
    std::istringstream in(text);
    std::stringstream out;
    const TokenizeStatistics statistics = tokenize_lines(in, out, Tokenizer(small_vocabulary()), options);
    std::vector<nlohmann::json> objects;
    for (std::string line; std::getline(out, line);) objects.push_back(nlohmann::json::parse(line));
    EXPECT_EQ(statistics.lines, objects.size());
    return objects;
}

TEST(JsonLines, EachLineBecomesAnObject) {
    const auto objects = tokenize("the cats\n\n\"\\");
    ASSERT_EQ(objects.size(), 3U);
    EXPECT_EQ(objects[0]["tokens"], nlohmann::json({"[CLS]", "the", "cats", "[SEP]"}));
    EXPECT_EQ(objects[0]["offsets"], nlohmann::json::parse("[[0,0],[0,3],[4,8],[0,0]]"));
    EXPECT_EQ(objects[1]["tokens"], nlohmann::json({"[CLS]", "[SEP]"}));
    EXPECT_EQ(objects[2]["tokens"], nlohmann::json({"[CLS]", "\"", "\\", "[SEP]"}));
    EXPECT_EQ(objects[2]["input_ids"].size(), 4U);
}

TEST(JsonLines, PairsAreDividedByATab) {
    TokenizeOptions options;
    options.pairs = true;
    const auto objects = tokenize("the\tcat\nthe\n", options);
    EXPECT_EQ(objects[0]["token_type_ids"], nlohmann::json({0, 0, 0, 1, 1}));
    EXPECT_EQ(objects[1]["token_type_ids"], nlohmann::json({0, 0, 0}));
}

TEST(JsonLines, WithoutPairsATabIsASpace) { EXPECT_EQ(tokenize("the\tcat")[0]["tokens"].size(), 4U); }

TEST(JsonLines, LongTextsAreCut) {
    TokenizeOptions options;
    options.max_length = 3;
    EXPECT_EQ(tokenize("the cat plays", options)[0]["tokens"], nlohmann::json({"[CLS]", "the", "[SEP]"}));
}

TEST(JsonLines, AFullDiskIsAnError) {
    std::istringstream in("the cat\n");
    std::ofstream full("/dev/full");
    if (!full) GTEST_SKIP() << "there is no /dev/full here";
    EXPECT_THROW(tokenize_lines(in, full, Tokenizer(small_vocabulary())), Error);
}

}  // namespace
}  // namespace moebert::test
