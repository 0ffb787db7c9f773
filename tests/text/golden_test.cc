// The tokenizer equals the tokenizers package: cases that it computed are in tests/text/data.
#include "text/support.h"

namespace moebert::test {
namespace {

AddedToken added_token(const nlohmann::json& json) {
    AddedToken token;
    token.content = json["content"];
    token.id = json["id"];
    token.single_word = json.value("single_word", false);
    token.lstrip = json.value("lstrip", false);
    token.rstrip = json.value("rstrip", false);
    token.normalized = json.value("normalized", false);
    return token;
}

Tokenizer tokenizer_with(const nlohmann::json& json) {
    TokenizerSettings settings;
    settings.lower_case = json.value("lower_case", true);
    if (json.contains("strip_accents")) settings.strip_accents = json["strip_accents"].get<bool>();
    settings.tokenize_chinese_chars = json.value("tokenize_chinese_chars", true);
    settings.clean_text = json.value("clean_text", true);
    settings.max_input_chars_per_word = json.value("max_input_chars_per_word", 100U);
    for (const auto& token : json.value("added", nlohmann::json::array())) {
        settings.added_tokens.push_back(added_token(token));
    }
    return Tokenizer(small_vocabulary(), settings);
}

void check_all(const std::string& name, std::size_t least) {
    const auto cases = golden_cases(name);
    ASSERT_GE(cases.size(), least);
    for (const GoldenCase& golden : cases) {
        const Tokenizer tokenizer = tokenizer_with(golden.settings);
        expect_equal(tokenizer.encode(golden.text, golden.pair, golden.max_length, true), golden);
    }
}

TEST(Golden, TextsUnderEverySetting) { check_all("golden_texts.jsonl", 490); }

TEST(Golden, PairsAndSinglesCutLongestFirst) { check_all("golden_truncation.jsonl", 90); }

TEST(Golden, AddedTokensWithTheirFlags) { check_all("golden_added_tokens.jsonl", 20); }

TEST(Golden, TokenizerJsonAloneIsEnough) {
    const Tokenizer tokenizer = Tokenizer::load(text_data / "tokenizer_json");
    const auto cases = golden_cases("golden_tokenizer_json.jsonl");
    ASSERT_GE(cases.size(), 60U);
    for (const GoldenCase& golden : cases)
        expect_equal(tokenizer.encode(golden.text, {}, golden.max_length, true), golden);
}

TEST(Golden, VocabularyOfTokenizerJsonIncludesAddedTokens) {
    const Tokenizer tokenizer = Tokenizer::load(text_data / "tokenizer_json");
    std::ifstream in(text_data / "tokenizer_json/tokens.json");
    const std::vector<std::string> tokens = nlohmann::json::parse(in);
    ASSERT_EQ(tokenizer.vocab_size(), tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) EXPECT_EQ(tokenizer.token(static_cast<std::int32_t>(i)), tokens[i]);
}

TEST(Golden, IdsDontDependOnAskingForOffsets) {
    for (const GoldenCase& golden : golden_cases("golden_truncation.jsonl")) {
        const Encoding encoding =
            tokenizer_with(nlohmann::json::object()).encode(golden.text, golden.pair, golden.max_length);
        EXPECT_EQ(encoding.input_ids, golden.expected.input_ids);
        EXPECT_TRUE(encoding.offsets.empty());
    }
}

}  // namespace
}  // namespace moebert::test
