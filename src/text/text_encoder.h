// One text to token ids: finds added tokens, normalises, splits into words, and these into pieces.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

namespace moebert {

struct TokenList {
    std::vector<std::int32_t> ids;
    std::vector<std::array<std::uint32_t, 2>> offsets;  // only filled when asked for
    bool with_offsets = false;
};

// How words become pieces.
using PieceModel = std::variant<WordPiece, Unigram>;

class TextEncoder {
public:
    TextEncoder(PieceModel pieces, NormalizerOptions options, PreTokenizer pre_tokenizer, Metaspace metaspace,
                const std::vector<AddedToken>& added_tokens);

    // Appends the tokens of `text`.
    void append(std::string_view text, TokenList& tokens) const;

private:
    class Run;
    enum class ByteKind : std::uint8_t { word, punctuation, space, other };  // other: needs normalize()

    PieceModel pieces_;
    NormalizerOptions options_;
    PreTokenizer pre_tokenizer_;
    Metaspace metaspace_;
    AddedTokenFinder original_tokens_;    // found in the text as it is
    AddedTokenFinder normalized_tokens_;  // and in the normalised one
    std::array<ByteKind, 256> kinds_{};
    std::array<char, 256> lowered_{};
};

}  // namespace moebert
