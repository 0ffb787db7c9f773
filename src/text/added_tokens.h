// Finds added tokens such as [MASK] in a text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/trie.h"

namespace moebert {

// A stretch of bytes [begin, end) that is an added token, or text between two of them.
struct TextPart {
    std::size_t begin, end;
    std::int32_t id;  // -1: text
};

class AddedTokenFinder {
public:
    explicit AddedTokenFinder(std::vector<AddedToken> tokens);

    bool empty() const { return tokens_.empty(); }

    // The parts of `text` in order, none of them empty. Of tokens that begin at one place the longest is taken.
    std::vector<TextPart> split(std::string_view text) const;

    // Whether `text` may hold one: cheap, and the usual answer is no.
    bool may_occur_in(std::string_view text) const;

private:
    void append(std::vector<TextPart>& parts, std::string_view text, std::size_t begin, std::size_t end,
                const AddedToken& token) const;

    std::vector<AddedToken> tokens_;
    Trie trie_;  // values are indices of tokens_
    std::array<bool, 256> begins_token_{};
};

}  // namespace moebert
