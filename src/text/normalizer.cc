#include "text/normalizer.h"

#include <algorithm>

#include "core/utf8.h"
#include "text/unicode.h"

namespace moebert {
namespace {

void push(NormalizedText& text, char32_t c, const NormalizedCharacter& place) {
    text.push_back({c, place.begin, place.end});
}

void clean_character(NormalizedText& text, NormalizedCharacter place, const NormalizerOptions& options) {
    if (options.clean_text) {
        if (is_control(place.c)) return;
        if (is_whitespace(place.c)) place.c = ' ';
    }
    const bool spaced = options.tokenize_chinese_chars && is_chinese(place.c);
    if (spaced) push(text, ' ', place);
    text.push_back(place);
    if (spaced) push(text, ' ', place);
}

NormalizedText decode(std::string_view text, std::uint32_t character) {
    NormalizedText decoded;
    decoded.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++character) {
        const DecodedCharacter next = decode_utf8(text, at);
        at += next.bytes;
        decoded.push_back({next.code_point, character, character + 1});
    }
    return decoded;
}

// A grapheme cluster holds whatever a character can compose with. What comes of one has its first character's place.
NormalizedText apply_form(const NormalizedText& text, UnicodeForm form) {
    NormalizedText made;
    made.reserve(text.size());
    for (std::size_t begin = 0; begin < text.size();) {
        std::size_t end = begin + 1;
        std::u32string cluster(1, text[begin].c);
        for (GraphemeBreaker breaker; end < text.size() && !breaker.is_break(text[end - 1].c, text[end].c); ++end)
            cluster += text[end].c;
        for (const char32_t c : to_form(cluster, form)) push(made, c, text[begin]);
        begin = end;
    }
    return made;
}

NormalizedText clean(const NormalizedText& text, const NormalizerOptions& options) {
    NormalizedText cleaned;
    cleaned.reserve(text.size());
    for (const NormalizedCharacter& character : text) clean_character(cleaned, character, options);
    return cleaned;
}

struct Decomposed {
    char32_t c;
    int combining_class;
    bool inserted;  // a second or later character of one that was decomposed
};

// Canonical order: marks between two starters by their class (Unicode 15, section 3.11, D109).
void reorder_marks(std::vector<Decomposed>& text) {
    const auto is_starter = [](const Decomposed& d) { return d.combining_class == 0; };
    const auto by_class = [](const Decomposed& a, const Decomposed& b) {
        return a.combining_class < b.combining_class;
    };
    for (auto at = text.begin(); at != text.end();) {
        const auto begin = std::find_if_not(at, text.end(), is_starter);
        at = std::find_if(begin, text.end(), is_starter);
        std::stable_sort(begin, at, by_class);
    }
}

std::vector<Decomposed> decompose_all(const NormalizedText& text) {
    std::vector<Decomposed> decomposed;
    decomposed.reserve(text.size() + text.size() / 2);
    for (const NormalizedCharacter& character : text) {
        const Expansion parts = decompose(character.c);
        for (std::size_t i = 0; i < parts.size; ++i) {
            decomposed.push_back({parts.characters[i], combining_class(parts.characters[i]), i > 0});
        }
    }
    reorder_marks(decomposed);
    return decomposed;
}

// As in Hugging Face's tokenizers a character's place is found by counting, so that marks which change their order
// take each other's places.
NormalizedText strip_accents(const NormalizedText& text) {
    NormalizedText stripped;
    stripped.reserve(text.size());
    std::size_t counted = 0;
    for (const Decomposed& part : decompose_all(text)) {
        if (!part.inserted) ++counted;
        if (!is_nonspacing_mark(part.c)) push(stripped, part.c, text[counted - 1]);
    }
    return stripped;
}

NormalizedText lower(const NormalizedText& text) {
    NormalizedText lowered;
    lowered.reserve(text.size());
    for (const NormalizedCharacter& character : text) {
        const Expansion parts = to_lower(character.c);
        for (std::size_t i = 0; i < parts.size; ++i) push(lowered, parts.characters[i], character);
    }
    return lowered;
}

}  // namespace

NormalizedText normalize(std::string_view text, const NormalizerOptions& options, std::uint32_t first_character) {
    NormalizedText normalized = decode(text, first_character);
    for (const UnicodeForm form : options.unicode_forms) normalized = apply_form(normalized, form);
    if (options.clean_text || options.tokenize_chinese_chars) normalized = clean(normalized, options);
    if (options.strip_accents) normalized = strip_accents(normalized);
    if (options.lower_case) normalized = lower(normalized);
    return normalized;
}

std::string to_utf8(const NormalizedText& text) {
    std::string bytes;
    for (const NormalizedCharacter& character : text) append_utf8(bytes, character.c);
    return bytes;
}

}  // namespace moebert
