// BERT's WordPiece tokenizer, or one of unigrams, equal to Hugging Face's BertTokenizerFast token for token: ids,
// segments and offsets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/template.h"
#include "text/unicode.h"

namespace moebert {

// One text or two with the special tokens of the template, `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, without padding.
// The vectors have one entry per token.
struct Encoding {
    std::vector<std::int32_t> input_ids;
    std::vector<std::uint8_t> token_type_ids;           // BERT's: 1 for b and the [SEP] after it
    std::vector<std::array<std::uint32_t, 2>> offsets;  // [begin, end) in characters (code points) of a or b; {0, 0}
                                                        // for special tokens; empty unless asked for
    bool is_cut = false;                                // whether max_length left tokens of a or b out
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

// How normalised text is split into words.
enum class PreTokenizer {
    bert,              // at whitespace, each punctuation character for itself
    whitespace_split,  // at whitespace alone
    whitespace,        // runs of word characters, and runs of others, between whitespace
    metaspace,         // before spaces, which become a character of the word
};

// Of PreTokenizer::metaspace: whether text is cut at all, and whether its first word gets a space too.
struct Metaspace {
    enum class Prepend { always, first, never };  // first: only where the text begins, not after an added token

    bool split = true;
    Prepend prepend = Prepend::always;
};

// A model of unigrams in place of WordPiece.
struct UnigramSettings {
    std::vector<double> scores;  // one per token of the vocabulary
    std::int32_t unk_id = 0;
};

enum class TruncationSide { right, left };

struct TokenizerSettings {
    std::vector<UnicodeForm> unicode_forms;  // applied before all else, in this order
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
    PreTokenizer pre_tokenizer = PreTokenizer::bert;
    Metaspace metaspace;
    std::optional<UnigramSettings> unigram;  // absent: WordPiece
    std::optional<Template> special_tokens;  // absent: BERT's, of cls_token and sep_token
    bool has_token_types = true;             // false: all types are 0, whatever the template says
    TruncationSide truncation_side = TruncationSide::right;
    std::optional<std::int64_t> model_max_length;  // tokens that the model was trained with, special ones included
};

// Immutable; copies share the tables and every member may be called from many threads at once.
class Tokenizer {
public:
    static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

    // Reads a checkpoint directory as read_tokenizer_files() does; what it had to choose is appended to `warnings`.
    // Throws an InputError.
    static Tokenizer load(const std::filesystem::path& dir, std::vector<std::string>* warnings = nullptr);

    // From a vocabulary in the order of its ids. Throws an Error when a special token is missing; the mask may be, and
    // with unigrams all that the template doesn't name.
    explicit Tokenizer(const std::vector<std::string>& vocabulary, TokenizerSettings settings = {});

    // Text is UTF-8; a malformed byte sequence counts as one character and is dropped. `max_length` counts the special
    // tokens too; a pair is cut as Hugging Face's longest_first does, at the settings' truncation_side. Throws an Error
    // when it is below their number.
    Encoding encode(std::string_view a, std::optional<std::string_view> b = std::nullopt,
                    std::size_t max_length = no_limit, bool with_offsets = false) const;

    // The tokens of one text alone, nothing added.
    Encoding encode_plain(std::string_view text, bool with_offsets = false) const;

    // Two texts' tokens with the template's special tokens, without offsets; nothing is cut.
    Encoding join(std::span<const std::int32_t> first, std::span<const std::int32_t> second) const;

    const TemplatePieces& single_template() const;
    const TemplatePieces& pair_template() const;
    // One more than the greatest of token_type_ids that a pair has.
    std::int64_t pair_types() const;

    std::string_view token(std::int32_t id) const;  // throws an Error for an id outside the vocabulary
    std::optional<std::int32_t> id(std::string_view token) const;
    std::size_t vocab_size() const;  // added tokens included
    const TokenizerSettings& settings() const;

    std::int32_t unk_id() const;
    std::int32_t cls_id() const;
    std::int32_t sep_id() const;
    std::int32_t pad_id() const;
    std::int32_t mask_id() const;  // -1 when the vocabulary has none, here and above

private:
    struct Tables;
    std::shared_ptr<const Tables> tables_;
};

}  // namespace moebert
