#include <fmt/format.h>

#include "growth/growth.h"
#include "io/support.h"
#include "text/tokenizer.h"

namespace moebert {
namespace {

// Of loading a folder's tokenizer of which one file grows.
class TextGrowth : public test::InFolder {
protected:
    TextGrowth() { put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n"); }

    void expect_linear(const std::string& name, std::size_t pieces,
                       const std::function<std::string(std::size_t)>& make) const {
        test::expect_linear(pieces, make, [&](const std::string& text) {
            put(name, text);
            const auto error = test::error_of([&] { Tokenizer::load(folder); });
            EXPECT_EQ(error, "");
        });
        std::filesystem::remove(folder / name);
    }

    template <class Piece>
    static std::string joined(std::size_t pieces, Piece piece) {
        std::string text;
        for (std::size_t i = 0; i < pieces; ++i) text += (i == 0 ? "" : ",") + piece(i);
        return text;
    }
};

TEST_F(TextGrowth, OfVocabulariesIsLinearInTokens) {
    const std::string special = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    expect_linear("vocab.txt", 10'000, [&](std::size_t n) {
        auto text = special;
        for (std::size_t i = 0; i < n; ++i) text += fmt::format("w{}\n", i);
        return text;
    });
}

std::string tokenizer_json(const std::string& vocabulary, const std::string& added) {
    return fmt::format(
        R"({{"added_tokens": [{}], "normalizer": {{"type": "BertNormalizer", "lowercase": true}},
             "pre_tokenizer": {{"type": "BertPreTokenizer"}},
             "model": {{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                        "max_input_chars_per_word": 100, "vocab": {{"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3,
                        "[MASK]": 4{}}}}}}})",
        added, vocabulary);
}

std::string added_token(std::size_t id) {
    return fmt::format(R"({{"id": {}, "content": "[x{}]", "single_word": false, "lstrip": false, "rstrip": false,
                            "normalized": false, "special": true}})",
                       id, id);
}

TEST_F(TextGrowth, OfTokenizerJsonIsLinearInTokens) {
    expect_linear("tokenizer.json", 5'000, [](std::size_t n) {
        return tokenizer_json("," + joined(n, [](std::size_t i) { return fmt::format("\"w{}\": {}", i, i + 5); }), "");
    });
}

TEST_F(TextGrowth, OfTokenizerJsonIsLinearInAddedTokens) {
    expect_linear("tokenizer.json", 2'000, [](std::size_t n) {
        return tokenizer_json("", joined(n, [](std::size_t i) { return added_token(i + 5); }));
    });
}

TEST_F(TextGrowth, OfTokenizerConfigIsLinearInAddedTokens) {
    expect_linear("tokenizer_config.json", 2'000, [](std::size_t n) {
        const auto entry = [](std::size_t i) { return fmt::format("\"{}\": {}", i + 7, added_token(i + 7)); };
        return "{\"added_tokens_decoder\": {" + joined(n, entry) + "}}";
    });
}

TEST_F(TextGrowth, OfTextIsLinear) {
    const auto tokenizer = Tokenizer::load(folder);
    for (const std::string piece : {"a", "a ", "b.", "\u00e9", "\u4e2d", "\xff"})
        test::expect_linear(
            20'000,
            [&](std::size_t n) {
                std::string text;
                for (std::size_t i = 0; i < n; ++i) text += piece;
                return text;
            },
            [&](const std::string& text) { test::error_of([&] { tokenizer.encode_plain(text); }); });
}

}  // namespace
}  // namespace moebert
