// SentencePiece's unigram model (Kudo 2018, arXiv 1804.10959): the pieces of a word whose scores have the greatest sum.
// As Hugging Face's tokenizers compute it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/trie.h"

namespace moebert {

class Unigram {
public:
    // The scores are logarithms of probabilities, one per token.
    Unigram(const std::vector<std::string>& vocabulary, std::vector<double> scores, std::int32_t unk_id);

    // Appends the ids of a word's pieces, and to `ends` (unless it is null) the byte where each ends. Characters that
    // no piece has are the unknown token, neighbours one together. Takes time by the word times the longest piece.
    void split(std::string_view word, std::vector<std::int32_t>& ids, std::vector<std::uint32_t>* ends) const;

private:
    // The best way to a byte: the piece that ends there, and where it begins.
    struct Step {
        double score = 0.0;
        std::size_t begin = 0;
        std::int32_t id = -1;  // none yet
    };

    void extend(std::string_view word, std::size_t at, std::vector<Step>& steps) const;

    Trie trie_;
    std::vector<double> scores_;
    std::int32_t unk_id_;
    double unk_score_;
};

}  // namespace moebert
