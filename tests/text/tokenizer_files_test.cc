#include "text/tokenizer_files.h"

#include "core/error.h"
#include "io/support.h"
#include "text/support.h"

namespace moebert::test {
namespace fs = std::filesystem;
namespace {

constexpr const char* vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncat\nCat\né\n##s\n";

const nlohmann::json good_json = {
    {"model", {{"type", "WordPiece"}, {"vocab", {{"[PAD]", 0}, {"[UNK]", 1}, {"[CLS]", 2}, {"[SEP]", 3}, {"cat", 4}}}}},
    {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", false}}},
    {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
};

class TokenizerFilesTest : public InFolder {
protected:
    Tokenizer load() {
        warnings.clear();
        return Tokenizer::load(folder, &warnings);
    }

    void expect_warning_with(const std::vector<std::string>& parts) const {
        ASSERT_EQ(warnings.size(), 1U);
        for (const std::string& part : parts)
            EXPECT_NE(warnings[0].find(part), std::string::npos) << part << " in: " << warnings[0];
    }

    // good_json with a normalizer, pre-tokenizer or post-processor of its own.
    void put_json(const std::string& key, const nlohmann::json& part) const {
        auto json = good_json;
        json["normalizer"]["lowercase"] = true;
        json[key] = part;
        put("tokenizer.json", json.dump());
    }

    std::vector<std::string> warnings;

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
    put("tokenizer_config.json", R"({"do_lower_case": false})");
    EXPECT_FALSE(load().settings().lower_case);
    EXPECT_TRUE(warnings.empty());
    put("tokenizer_config.json", R"({"do_lower_case": true})");
    EXPECT_TRUE(load().settings().lower_case);
    expect_warning_with({"tokenizer.json", "lowercase false", "do_lower_case true"});
}

// As Hugging Face's BertTokenizer, whose own settings and their defaults count.
TEST_F(TokenizerFilesTest, BertsDefaultsOverrideTokenizerJson) {
    put("tokenizer.json", good_json.dump());
    put("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer"})");
    EXPECT_TRUE(load().settings().lower_case);
    expect_warning_with({"lowercase false", "lacks do_lower_case", "true counts"});
    fs::remove(folder / "tokenizer_config.json");
    EXPECT_TRUE(load().settings().lower_case);
}

TEST_F(TokenizerFilesTest, TheGenericClassGoesByTokenizerJson) {
    auto json = good_json;
    json["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"[CLS]", 2}}, {"sep", {"[SEP]", 3}}};
    put("tokenizer.json", json.dump());
    put("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": true})");
    EXPECT_FALSE(load().settings().lower_case);
    expect_warning_with({"tokenizer.json", "lower case false", "do_lower_case"});
    json.erase("post_processor");
    put("tokenizer.json", json.dump());
    expect_error_with({"tokenizer.json", "post_processor", "special tokens"});
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

TEST_F(TokenizerFilesTest, AddedTokensOfOlderFilesAreRead) {
    put("vocab.txt", vocabulary);
    put("added_tokens.json", R"({"[E1]": 10, "covidvax": 9})");
    put("special_tokens_map.json", R"({"additional_special_tokens": ["[E1]", {"content": "[E2]", "rstrip": true}]})");
    const Tokenizer tokenizer = load();
    EXPECT_EQ(tokenizer.encode_plain("cat[E1] COVIDVAX [e1] [E2] s").input_ids,
              std::vector<std::int32_t>({5, 10, 9, 1, 1, 1, 11, 1}));
    put("special_tokens_map.json", R"({"additional_special_tokens": [1]})");
    expect_error_with({"special_tokens_map.json", "additional_special_tokens"});
}

TEST_F(TokenizerFilesTest, ATokenOfTheVocabularyMayBeSpecial) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"extra_special_tokens": {"x": "##s"}})");
    EXPECT_EQ(load().encode_plain("cat ##s").input_ids, std::vector<std::int32_t>({5, 8}));
}

// It is found as a token of the text, and never as a piece of a word.
TEST_F(TokenizerFilesTest, AnAddedTokenIsNoPiece) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json",
        R"({"added_tokens_decoder": {"9": {"content": "user", "normalized": false, "special": true}}})");
    EXPECT_EQ(load().encode_plain("user User").input_ids, std::vector<std::int32_t>({9, 1}));
}

TEST_F(TokenizerFilesTest, AVocabularysMarkAndLastBlankLinesAreNoTokens) {
    put("vocab.txt", std::string("\xEF\xBB\xBF") + vocabulary + "\n \n");
    const auto tokenizer = load();
    EXPECT_EQ(tokenizer.vocab_size(), 9U);
    EXPECT_EQ(tokenizer.pad_id(), 0);
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
         {std::string(), std::string("{"), std::string("[]"), std::string("{\"do_lower_case\": tru")}) {
        put("tokenizer_config.json", content);
        expect_error_with({"tokenizer_config.json", "JSON"});
    }
    put("tokenizer_config.json", deep);
    expect_error_with({"tokenizer_config.json", "nests deeper"});
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
    for (const auto& [key, type] : {std::pair{"model", "BPE"},
                                    {"normalizer", "Prepend"},
                                    {"pre_tokenizer", "ByteLevel"},
                                    {"post_processor", "RobertaProcessing"}}) {
        nlohmann::json json = good_json;
        json[key]["type"] = type;
        put("tokenizer.json", json.dump());
        expect_error_with({"tokenizer.json", key, type});
    }
    for (const char* key : {"model", "pre_tokenizer"}) {
        nlohmann::json json = good_json;
        json.erase(key);
        put("tokenizer.json", json.dump());
        expect_error_with({"tokenizer.json", key});
    }
}

// The published files of bert-base-uncased and others.
TEST_F(TokenizerFilesTest, AModelWithWordPiecesKeysIsWordPiece) {
    auto json = good_json;
    json["model"].erase("type");
    put("tokenizer.json", json.dump());
    expect_error_with({"tokenizer.json", "model"});  // it may be any
    json["model"]["max_input_chars_per_word"] = 100;
    put("tokenizer.json", json.dump());
    EXPECT_EQ(load().id("cat"), 4);
}

TEST_F(TokenizerFilesTest, SequencesOfNormalizersAreUnderstood) {
    const nlohmann::json bert = {{"type", "BertNormalizer"}, {"lowercase", true}};
    for (const auto& parts :
         {nlohmann::json::array({bert}), nlohmann::json::array({{{"type", "NFC"}}, bert}),
          nlohmann::json::array({{{"type", "NFD"}}, {{"type", "Lowercase"}}, {{"type", "StripAccents"}}})}) {
        put_json("normalizer", {{"type", "Sequence"}, {"normalizers", parts}});
        EXPECT_EQ(load().encode_plain("CÁT").input_ids, std::vector<std::int32_t>{4}) << parts;
    }
    // Nothing is decomposed before, or the order is another.
    for (const auto& parts :
         {nlohmann::json::array({{{"type", "Lowercase"}}, {{"type", "StripAccents"}}}),
          nlohmann::json::array({bert, {{"type", "NFC"}}}), nlohmann::json::array({bert, {{"type", "Lowercase"}}})}) {
        put_json("normalizer", {{"type", "Sequence"}, {"normalizers", parts}});
        expect_error_with({"tokenizer.json", "normalizer", parts[1]["type"]});
    }
}

TEST_F(TokenizerFilesTest, WithoutANormalizerTheConfigSaysHowTextIsNormalised) {
    put_json("normalizer", nullptr);
    put("tokenizer_config.json", R"({"do_lower_case": true})");
    EXPECT_EQ(load().encode_plain("CAT").input_ids, std::vector<std::int32_t>{4});
    expect_warning_with({"no normalizer", "do_lower_case true"});
}

TEST_F(TokenizerFilesTest, WordsMayEndAtWhitespaceAlone) {
    put_json("pre_tokenizer", {{"type", "WhitespaceSplit"}});
    EXPECT_EQ(load().encode_plain("cat cat.").input_ids, std::vector<std::int32_t>({4, 1}));
    expect_warning_with({"pre_tokenizer"});
    put_json("pre_tokenizer", {{"type", "Whitespace"}});
    EXPECT_EQ(load().encode_plain("cat..cat é").input_ids, std::vector<std::int32_t>({4, 1, 4, 1}));
    put_json("pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {{{"type", "BertPreTokenizer"}}}}});
    EXPECT_EQ(load().encode_plain("cat cat.").input_ids, std::vector<std::int32_t>({4, 4, 1}));
}

nlohmann::json special(const char* token, int type) { return {{"SpecialToken", {{"id", token}, {"type_id", type}}}}; }
nlohmann::json text(const char* name, int type) { return {{"Sequence", {{"id", name}, {"type_id", type}}}}; }

TEST_F(TokenizerFilesTest, TheTemplateOfTokenizerJsonIsUsed) {
    nlohmann::json processor = {{"type", "TemplateProcessing"},
                                {"single", {special("[CLS]", 0), text("A", 0), special("[SEP]", 0)}},
                                {"pair",
                                 {special("[CLS]", 0), text("A", 0), special("[SEP]", 0), special("[SEP]", 0),
                                  text("B", 0), special("[SEP]", 0)}},
                                {"special_tokens",
                                 {{"[CLS]", {{"id", "[CLS]"}, {"ids", {2}}, {"tokens", {"[CLS]"}}}},
                                  {"[SEP]", {{"id", "[SEP]"}, {"ids", {3}}, {"tokens", {"[SEP]"}}}}}}};
    put_json("post_processor", processor);
    const auto pair = load().encode("cat", "cat cat");
    EXPECT_EQ(pair.input_ids, std::vector<std::int32_t>({2, 4, 3, 3, 4, 4, 3}));
    EXPECT_EQ(pair.token_type_ids, std::vector<std::uint8_t>(7, 0));
    EXPECT_EQ(load().pair_types(), 1);
    expect_warning_with({"post_processor"});
    EXPECT_EQ(load().encode("cat cat cat", "cat", 6).input_ids, std::vector<std::int32_t>({2, 4, 3, 3, 4, 3}));

    for (const auto& [place, piece, word] : {std::tuple{1, text("B", 1), "A and B"},
                                             {0, special("[X]", 0), "[X]"},
                                             {0, special("[CLS]", 2), "type_id 2"}}) {
        auto wrong = processor;
        wrong["pair"][place] = piece;
        put_json("post_processor", wrong);
        expect_error_with({"post_processor", word});
    }
    processor["special_tokens"]["[CLS]"]["ids"] = {99};
    put_json("post_processor", processor);
    expect_error_with({"[CLS]", "99"});
}

TEST_F(TokenizerFilesTest, TypesMayBeNoneOfTheModelsInputs) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"model_input_names": ["input_ids", "attention_mask"]})");
    EXPECT_EQ(load().encode("cat", "cat").token_type_ids, std::vector<std::uint8_t>(5, 0));
    put("tokenizer_config.json", R"({"tokenizer_class": "DistilBertTokenizerFast"})");
    EXPECT_EQ(load().encode("cat", "cat").token_type_ids, std::vector<std::uint8_t>(5, 0));
    put("tokenizer_config.json", R"({"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]})");
    EXPECT_EQ(load().encode("cat", "cat").token_type_ids, std::vector<std::uint8_t>({0, 0, 0, 1, 1}));
}

TEST_F(TokenizerFilesTest, TextIsCutAtTheSideThatTheFilesSay) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"do_lower_case": false, "truncation_side": "left", "model_max_length": 4})");
    const auto tokenizer = load();
    const auto cut = tokenizer.encode("cat Cat cat é", std::nullopt, 4, true);
    EXPECT_EQ(cut.input_ids, std::vector<std::int32_t>({2, 5, 7, 3}));
    EXPECT_EQ(cut.offsets[1], (std::array<std::uint32_t, 2>{8, 11}));
    EXPECT_TRUE(cut.is_cut);
    EXPECT_FALSE(tokenizer.encode("cat é", std::nullopt, 4).is_cut);
    EXPECT_EQ(tokenizer.settings().model_max_length, 4);
    put("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
    EXPECT_EQ(load().settings().model_max_length, std::nullopt);  // what Hugging Face's tools write for "unknown"
    put("tokenizer_config.json", R"({"truncation_side": "middle"})");
    expect_error_with({"truncation_side", "middle"});
    fs::remove(folder / "tokenizer_config.json");
    auto json = good_json;
    json["truncation"] = {{"direction", "Left"}, {"max_length", 6}};
    put("tokenizer.json", json.dump());
    EXPECT_EQ(load().settings().truncation_side, TruncationSide::left);
    EXPECT_EQ(load().settings().model_max_length, 6);
    put("tokenizer_config.json", R"({"do_lower_case": false, "max_len": 5})");  // of old files
    EXPECT_EQ(load().settings().model_max_length, 5);
}

nlohmann::json unigrams(const char* scheme, bool split = true) {
    auto vocab = nlohmann::json::array();
    for (const auto& [piece, score] : std::vector<std::pair<const char*, double>>{{"<unk>", 0},
                                                                                  {"▁", -2},
                                                                                  {"▁the", -3},
                                                                                  {"▁cat", -3.5},
                                                                                  {"c", -5},
                                                                                  {"a", -5.5},
                                                                                  {"t", -6},
                                                                                  {"ca", -6.2},
                                                                                  {"at", -6.1},
                                                                                  {"s", -7}})
        vocab.push_back(nlohmann::json::array({piece, score}));
    return {
        {"model", {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", vocab}}},
        {"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", split}}}};
}

// The values are those of the tokenizers package.
TEST_F(TokenizerFilesTest, UnigramsAreCutAsWellAsTheirScoresAllow) {
    using Ids = std::vector<std::int32_t>;
    for (const bool split : {true, false}) {
        put("tokenizer.json", unigrams("always", split).dump());
        EXPECT_EQ(load().encode("the cats").input_ids, Ids({2, 3, 9}));
        expect_warning_with({"tokenizer.json: counts alone", "Unigram"});
        EXPECT_EQ(load().encode("  the é é cat").input_ids, Ids({1, 2, 1, 0, 1, 0, 3}));
        EXPECT_EQ(load().encode("öö cat").input_ids, Ids({1, 0, 3}));
        EXPECT_EQ(load().encode("xthe").input_ids, Ids({1, 0, 6, 0}));
        EXPECT_EQ(load().encode("").input_ids, Ids());
        put("tokenizer.json", unigrams("never", split).dump());
        EXPECT_EQ(load().encode("the cats").input_ids, Ids({6, 0, 3, 9}));
        EXPECT_EQ(load().encode("cat").input_ids, Ids({4, 8}));
    }
    put("tokenizer.json", unigrams("first").dump());
    const auto cut = load().encode("öö cats", "cat", Tokenizer::no_limit, true);
    EXPECT_EQ(cut.input_ids, Ids({1, 0, 3, 9, 3}));
    EXPECT_EQ(cut.token_type_ids, std::vector<std::uint8_t>({0, 0, 0, 0, 1}));
    EXPECT_EQ(cut.offsets[1], (std::array<std::uint32_t, 2>{0, 2}));
    EXPECT_EQ(cut.offsets[2], (std::array<std::uint32_t, 2>{2, 6}));
}

TEST_F(TokenizerFilesTest, BrokenUnigramsAreNamed) {
    const auto wrong = [&](const char* key, const nlohmann::json& value) {
        auto json = unigrams("always");
        json["model"][key] = value;
        put("tokenizer.json", json.dump());
        expect_error_with({"tokenizer.json", std::string("model.") + key});
    };
    wrong("unk_id", 10);
    wrong("byte_fallback", true);
    wrong("vocab", nlohmann::json::array({nlohmann::json::array({"a", "b"})}));
    wrong("vocab", "a");
    put("tokenizer.json", unigrams("sometimes").dump());
    expect_error_with({"prepend_scheme", "sometimes"});
}

TEST_F(TokenizerFilesTest, SettingsThatNobodyKnowsAreNamed) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json",
        R"({"shout": true, "padding_side": "left", "_hash": "x", "whisper": null, "name_or_path": "a", "do_lower_case": true})");
    load();
    expect_warning_with({"tokenizer_config.json: unknown settings, which have no effect: shout"});
    EXPECT_EQ(warnings[0].find("padding_side"), std::string::npos);
    EXPECT_EQ(warnings[0].find("whisper"), std::string::npos);
}

TEST_F(TokenizerFilesTest, TokensOfBeginningAndEndAreSpecial) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": {"content": "</s>", "rstrip": true}})");
    EXPECT_EQ(load().encode_plain("<s>cat</s> s").input_ids, std::vector<std::int32_t>({9, 5, 10, 1}));
    put("tokenizer_config.json", R"({"bos_token": 1})");
    expect_error_with({"bos_token"});
}

TEST_F(TokenizerFilesTest, SpecialTokensAreNeverSplitAnyway) {
    put("vocab.txt", vocabulary);
    put("tokenizer_config.json", R"({"never_split": ["[CLS]", "[SEP]"]})");
    EXPECT_EQ(load().encode_plain("cat").input_ids, std::vector<std::int32_t>{5});
}

TEST_F(TokenizerFilesTest, TokenizersThatCutTextOtherwiseAreRefusedByName) {
    put("vocab.txt", vocabulary);
    for (const auto& [config, word] :
         {std::pair{R"({"tokenizer_class": "BertJapaneseTokenizer"})", "BertJapaneseTokenizer"},
          {R"({"word_tokenizer_type": "mecab"})", "mecab"},
          {R"({"do_basic_tokenize": false})", "do_basic_tokenize"},
          {R"({"never_split": ["cat"]})", "never_split"},
          {R"({"model_input_names": "input_ids"})", "model_input_names"}}) {
        put("tokenizer_config.json", config);
        expect_error_with({"tokenizer_config.json", word});
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
