// BERT's WordPiece tokenizer, equal to Hugging Face's BertTokenizerFast token for token: ids, segments and offsets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moebert {

// `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, without padding; the vectors have one entry a token.
struct Encoding {
    std::vector<std::int32_t> input_ids;
    std::vector<std::uint8_t> token_type_ids;           // 1 for b and the [SEP] after it
    std::vector<std::array<std::uint32_t, 2>> offsets;  // [begin, end) in characters (code points) of a or b; {0, 0}
                                                        // for [CLS] and [SEP]; empty unless asked for
};

// A token that is found in the text before it is split into words.
struct AddedToken {
    std::string content;
    std::int32_t id = -1;
    bool single_word = false;  // not inside a word
    bool lstrip = false;       // takes the whitespace before it along
    bool rstrip = false;       // and after it
    bool normalized = false;   // looked for in the normalised text instead of the original one
};

struct TokenizerSettings {
    bool lower_case = true;
    std::optional<bool> strip_accents;  // absent: as lower_case
    bool tokenize_chinese_chars = true;
    bool clean_text = true;                      // drop control characters, turn any whitespace into a space
    std::size_t max_input_chars_per_word = 100;  // a longer word is the unknown token
    std::string continuing_subword_prefix = "##";
    std::string unk_token = "[UNK]";
    std::string cls_token = "[CLS]";
    std::string sep_token = "[SEP]";
    std::string pad_token = "[PAD]";
    std::string mask_token = "[MASK]";
    std::vector<AddedToken> added_tokens;  // beside the five above
};

// Immutable; copies share the tables and every member may be called from many threads at once.
class Tokenizer {
public:
    static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

    // Reads a checkpoint directory. The vocabulary is tokenizer.json's, or else vocab.txt's; a setting is
    // tokenizer_config.json's, or else tokenizer.json's, or else BERT's default. Throws an InputError.
    static Tokenizer load(const std::filesystem::path& dir);

    // From a vocabulary in the order of its ids. Throws an Error when a special token is missing; only the mask may be.
    explicit Tokenizer(const std::vector<std::string>& vocabulary, TokenizerSettings settings = {});

    // Text is UTF-8; a malformed byte sequence counts as one character and is dropped. `max_length` counts the special
    // tokens too; a pair is cut as Hugging Face's longest_first does. Throws an Error when it is below their number.
    Encoding encode(std::string_view a, std::optional<std::string_view> b = std::nullopt,
                    std::size_t max_length = no_limit, bool with_offsets = false) const;

    // The tokens of one text alone, nothing added.
    Encoding encode_plain(std::string_view text, bool with_offsets = false) const;

    std::string_view token(std::int32_t id) const;  // throws an Error for an id outside the vocabulary
    std::optional<std::int32_t> id(std::string_view token) const;
    std::size_t vocab_size() const;  // added tokens included
    const TokenizerSettings& settings() const;

    std::int32_t unk_id() const;
    std::int32_t cls_id() const;
    std::int32_t sep_id() const;
    std::int32_t pad_id() const;
    std::int32_t mask_id() const;  // -1 when the vocabulary has none

private:
    struct Tables;
    std::shared_ptr<const Tables> tables_;
};

}  // namespace moebert
