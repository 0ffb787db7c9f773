#include "text/tokenizer_files.h"

#include "core/error.h"
#include "io/support.h"
#include "text/support.h"

namespace moebert::test {
namespace {

constexpr const char* vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncat\nCat\né\n##s\n";

const nlohmann::json good_json = {
    {"model", {{"type", "WordPiece"}, {"vocab", {{"[PAD]", 0}, {"[UNK]", 1}, {"[CLS]", 2}, {"[SEP]", 3}, {"cat", 4}}}}},
    {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", false}}},
    {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
};

class TokenizerFilesTest : public InFolder {
protected:
    // The message of loading the folder, or "" when that works.
    std::string load_error() const {
        try {
            Tokenizer::load(folder);
        } catch (const InputError& error) {
            return error.what();
        }
        return "";
    }

    void expect_error_with(const std::vector<std::string>& parts) const {
        const std::string error = load_error();
        for (const std::string& part : parts)
            EXPECT_NE(error.find(part), std::string::npos) << part << " in: " << error;
        EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    }
};

TEST_F(TokenizerFilesTest, AVocabularyAloneIsAnUncasedBert) {
    put("vocab.txt", vocabulary);
    const Tokenizer tokenizer = Tokenizer::load(folder);
    EXPECT_TRUE(tokenizer.settings().lower_case);
    EXPECT_EQ(tokenizer.encode_plain("Cats").input_ids, std::vector<std::int32_t>({5, 8}));
}

TEST_F(TokenizerFilesTest, LinesMayEndInCarriageReturns) {
    put("vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\ncat\r\n");
    EXPECT_EQ(Tokenizer::load(folder).id("cat"), 4);
}

TEST_F(TokenizerFilesTest, TokenizerConfigSaysIfCaseIsKept) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": null})");
    const Tokenizer tokenizer = Tokenizer::load(folder);
    EXPECT_EQ(tokenizer.encode_plain("Cat é").input_ids, std::vector<std::int32_t>({6, 7}));
}

TEST_F(TokenizerFilesTest, TokenizerConfigOverridesTokenizerJson) {
    put("tokenizer.json", good_json.dump());
    EXPECT_FALSE(Tokenizer::load(folder).settings().lower_case);
    put("tokenizer_config.json", R"({"do_lower_case": true})");
    EXPECT_TRUE(Tokenizer::load(folder).settings().lower_case);
}

TEST_F(TokenizerFilesTest, SpecialTokensMayHaveOtherNames) {
    put("vocab.txt", "<pad>\n<unk>\n<s>\n</s>\ncat\n");
    put("special_tokens_map.json", R"({"unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "wrong"})");
    put("tokenizer_config.json", R"({"cls_token": {"content": "<s>"}, "sep_token": "</s>"})");
    EXPECT_EQ(Tokenizer::load(folder).encode("dog cat</s>").input_ids, std::vector<std::int32_t>({2, 1, 4, 3, 3}));
}

TEST_F(TokenizerFilesTest, AddedTokensExtendTheVocabulary) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"added_tokens_decoder": {"11": {"content": "<new>", "lstrip": true}}})");
    const Tokenizer tokenizer = Tokenizer::load(folder);
    EXPECT_EQ(tokenizer.vocab_size(), 12U);
    EXPECT_EQ(tokenizer.encode_plain("cat <new>").input_ids, std::vector<std::int32_t>({5, 11}));
}

TEST_F(TokenizerFilesTest, AFolderWithoutVocabularyIsNamed) { expect_error_with({folder.string(), "vocab.txt"}); }

TEST_F(TokenizerFilesTest, AMissingSpecialTokenIsNamed) {
    put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\ncat\n");
    expect_error_with({"vocab.txt", "[SEP]"});
}

TEST_F(TokenizerFilesTest, AnEmptyVocabularyIsAnError) {
    put("vocab.txt", "");
    expect_error_with({"vocab.txt", "0 tokens"});
}

TEST_F(TokenizerFilesTest, VocabularyMustBeUtf8) {
    put("vocab.txt", "[PAD]\n[UNK]\n\xFF\n");
    expect_error_with({"vocab.txt", "line 3", "UTF-8"});
}

TEST_F(TokenizerFilesTest, BrokenJsonIsAnError) {
    put("vocab.txt", vocabulary);
    const std::string deep = "{\"do_lower_case\": " + std::string(1000000, '[') + std::string(1000000, ']') + "}";
    for (const std::string& content :
         {std::string(), std::string("{"), std::string("[]"), std::string("{\"do_lower_case\": tru"), deep}) {
        put("tokenizer_config.json", content);
        expect_error_with({"tokenizer_config.json", "JSON"});
    }
}

TEST_F(TokenizerFilesTest, ASettingOfAnotherTypeIsNamed) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"do_lower_case": "yes"})");
    expect_error_with({"tokenizer_config.json", "do_lower_case", "yes"});
    put("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "a"}}})");
    expect_error_with({"added_tokens_decoder", "\"x\""});
    put("tokenizer_config.json", R"({"added_tokens_decoder": [1]})");
    expect_error_with({"tokenizer_config.json", "added_tokens_decoder"});
    put("tokenizer_config.json", R"({"added_tokens_decoder": {"9": 1}})");
    expect_error_with({"tokenizer_config.json", "added token", "1"});
    put("tokenizer_config.json", R"({"added_tokens_decoder": {"99999": {"content": "<far>"}}})");
    expect_error_with({"<far>", "99999"});
    put("tokenizer_config.json", R"({"max_input_chars_per_word": -1})");
    expect_error_with({"tokenizer_config.json", "max_input_chars_per_word", "-1"});
}

TEST_F(TokenizerFilesTest, OtherKindsOfTokenizersAreRefusedByName) {
    for (const auto& [key, type] : {std::pair{"model", "BPE"}, {"normalizer", "NFC"}, {"pre_tokenizer", "ByteLevel"}}) {
        nlohmann::json json = good_json;
        json[key]["type"] = type;
        put("tokenizer.json", json.dump());
        expect_error_with({"tokenizer.json", key, type});
        json.erase(key);
        put("tokenizer.json", json.dump());
        expect_error_with({"tokenizer.json", key});
    }
}

TEST_F(TokenizerFilesTest, IdsOfTheVocabularyAreChecked) {
    for (const nlohmann::json& id :
         {nlohmann::json(-1), nlohmann::json(1.5), nlohmann::json("4"), nlohmann::json(1LL << 40), nlohmann::json(0)}) {
        nlohmann::json json = good_json;
        json["model"]["vocab"]["cat"] = id;
        put("tokenizer.json", json.dump());
        expect_error_with({"tokenizer.json", "model.vocab", "cat", id.dump()});
    }
}

TEST_F(TokenizerFilesTest, AnAddedTokenCannotTakeAnotherTokensId) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"added_tokens_decoder": {"5": {"content": "<new>"}}})");
    expect_error_with({"<new>", "5", "cat"});
}

TEST_F(TokenizerFilesTest, DamagedTokenizerJsonNeverCrashes) {
    const std::string good = good_json.dump();
    std::mt19937 random(5);
    std::uniform_int_distribution<std::size_t> place(0, good.size() - 1);
    for (int round = 0; round < 500; ++round) {
        std::string damaged = good;
        for (int i = 0; i < 2; ++i) damaged[place(random)] = "{}[]\",:0-"[place(random) % 9];
        put("tokenizer.json", damaged);
        EXPECT_NO_THROW(load_error());  // an InputError or a tokenizer, nothing else
    }
}

}  // namespace
}  // namespace moebert::test
