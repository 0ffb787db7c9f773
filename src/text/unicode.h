// Properties of characters, as Hugging Face's tokenizers have them: its tables are of several Unicode versions, older
// and newer than utf8proc's, so that "the current Unicode" would give other tokens. unicode_exceptions.h has the
// differences.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace moebert {

bool is_whitespace(char32_t c);       // White_Space
bool is_control(char32_t c);          // categories Cc, Cf, Co, U+0000 and U+FFFD, but not tab, newline, carriage return
bool is_punctuation(char32_t c);      // categories P*, and all of ASCII's symbols
bool is_nonspacing_mark(char32_t c);  // category Mn
bool is_chinese(char32_t c);          // the blocks that BERT takes for Chinese
bool is_word_character(char32_t c);   // \w of a regular expression
bool is_alphanumeric(char32_t c);     // letters and numbers (L*, N*), as Python's str.isalnum()

// What one character becomes.
struct Expansion {
    std::array<char32_t, 4> characters;
    std::size_t size;
};

Expansion decompose(char32_t c);  // full canonical decomposition
Expansion to_lower(char32_t c);   // without regard to its neighbours
int combining_class(char32_t c);

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };

// Of text whose characters don't combine with others around it.
std::u32string to_form(std::u32string_view text, UnicodeForm form);

// Where grapheme clusters end (Unicode Standard Annex 29): asked about each pair of neighbours in order.
class GraphemeBreaker {
public:
    bool is_break(char32_t before, char32_t after);

private:
    std::int32_t state_ = 0;
};

// As Python's str.lower(): a capital sigma at a word's end becomes a final one.
std::u32string lower_text(std::u32string_view text);

}  // namespace moebert
