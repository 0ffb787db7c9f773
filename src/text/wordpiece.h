// Cuts a word into the pieces that the vocabulary has, always taking the longest one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/trie.h"

namespace moebert {

class WordPiece {
public:
    WordPiece(const std::vector<std::string>& vocabulary, std::string_view continuing_prefix, std::int32_t unk_id,
              std::size_t max_characters);

    // Appends the ids of a word's pieces, and to `ends` (unless it is null) the byte where each ends. A word that can't
    // be cut up, or of more than the allowed number of characters, is one unknown token.
    void split(std::string_view word, std::size_t characters, std::vector<std::int32_t>& ids,
               std::vector<std::uint32_t>* ends) const;

    std::size_t max_characters() const { return max_characters_; }
    std::int32_t find(std::string_view token) const { return trie_.find(token); }

private:
    Trie trie_;
    std::uint32_t continuing_;  // node that the prefix of continuing pieces leads to
    std::int32_t unk_id_;
    std::size_t max_characters_;
};

}  // namespace moebert
