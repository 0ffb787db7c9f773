// Normalisation of a text: Unicode's normalisation forms, then BERT's own (Hugging Face's BertNormalizer), each
// character with the place it came from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace moebert {

struct NormalizedCharacter {
    char32_t c;
    std::uint32_t begin, end;  // characters of the original text
};
using NormalizedText = std::vector<NormalizedCharacter>;

struct NormalizerOptions {
    std::vector<UnicodeForm> unicode_forms = {};
    bool clean_text = true;
    bool tokenize_chinese_chars = true;  // spaces around each
    bool strip_accents = true;           // canonical decomposition, then nonspacing marks are dropped
    bool lower_case = true;
};

// `first_character` is the place of the text's first character. Malformed UTF-8 becomes U+FFFD.
NormalizedText normalize(std::string_view text, const NormalizerOptions& options, std::uint32_t first_character = 0);

std::string to_utf8(const NormalizedText& text);

}  // namespace moebert
