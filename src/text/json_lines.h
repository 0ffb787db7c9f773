// Lines of text in, one JSON object a line out: what `moebert tokenize` prints.
#pragma once

#include <cstddef>
#include <iosfwd>

#include "text/tokenizer.h"

namespace moebert {

struct TokenizeOptions {
    std::size_t max_length = Tokenizer::no_limit;
    bool pairs = false;  // a tab separates the two texts of a line, and token_type_ids are printed
};

struct TokenizeStatistics {
    std::size_t lines = 0;
    std::size_t tokens = 0;  // special ones included
    double seconds = 0;      // spent encoding, without reading and printing
};

// For every line {"input_ids": [...], "tokens": [...], "offsets": [[begin, end], ...]}. Lines end at "\n" alone.
// Throws an Error when `out` fails.
TokenizeStatistics tokenize_lines(std::istream& in, std::ostream& out, const Tokenizer& tokenizer,
                                  const TokenizeOptions& options = {});

}  // namespace moebert
