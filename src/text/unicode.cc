#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "text/unicode_exceptions.h"

namespace moebert {
namespace {

namespace exceptions = unicode_exceptions;

utf8proc_int32_t as_utf8proc(char32_t c) { return static_cast<utf8proc_int32_t>(c); }

int category(char32_t c) { return utf8proc_get_property(as_utf8proc(c))->category; }

// The range of a sorted table that holds c, or nullptr.
template <class Range, std::size_t size>
const Range* find_range(const Range (&table)[size], char32_t c) {
    const auto ends_before = [](const Range& range, char32_t x) { return range.last < x; };
    const Range* found = std::lower_bound(std::begin(table), std::end(table), c, ends_before);
    return found != std::end(table) && found->first <= c ? found : nullptr;
}

template <std::size_t size>
bool in(const exceptions::CodePointRange (&table)[size], char32_t c) {
    return find_range(table, c) != nullptr;
}

bool is_ascii_symbol(char32_t c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool is_punctuation_category(int category) {
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

}  // namespace

bool is_whitespace(char32_t c) {
    if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_control(char32_t c) {
    if (c < 0x80) return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
    const int kind = category(c);
    if (kind == UTF8PROC_CATEGORY_CF) return !in(exceptions::kept_formats, c);
    return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CO || c == 0xFFFD;
}

bool is_punctuation(char32_t c) {
    if (c < 0x80) return is_ascii_symbol(c);
    if (is_punctuation_category(category(c))) return !in(exceptions::no_punctuation, c);
    return in(exceptions::more_punctuation, c);
}

bool is_nonspacing_mark(char32_t c) {
    if (c < 0x300) return false;
    return category(c) == UTF8PROC_CATEGORY_MN ? !in(exceptions::kept_marks, c) : in(exceptions::more_marks, c);
}

// U+2B820 to U+2B91F are not among them in Hugging Face's tokenizers.
bool is_chinese(char32_t c) {
    if (c < 0x3400) return false;
    return (c >= 0x4E00 && c <= 0x9FFF) || c <= 0x4DBF || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_word_character(char32_t c) {
    const int kind = category(c);
    return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NL) || kind == UTF8PROC_CATEGORY_PC;
}

bool is_alphanumeric(char32_t c) {
    const int kind = category(c);
    return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO) ||
           (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO);
}

Expansion decompose(char32_t c) {
    if (c < 0xC0 || in(exceptions::whole, c)) return {{c}, 1};
    std::array<utf8proc_int32_t, 4> parts;
    int last_class = 0;
    const auto size =
        utf8proc_decompose_char(as_utf8proc(c), parts.data(), parts.size(), UTF8PROC_DECOMPOSE, &last_class);
    Expansion expansion{{}, static_cast<std::size_t>(size)};
    std::copy_n(parts.begin(), size, expansion.characters.begin());
    return expansion;
}

Expansion to_lower(char32_t c) {
    if (c < 0x80) return {{c >= 'A' && c <= 'Z' ? c + 32 : c}, 1};
    if (c == 0x130) return {{'i', 0x307}, 2};
    if (const auto* run = find_range(exceptions::lower_case, c)) {
        return {{static_cast<char32_t>(static_cast<int>(c) + run->distance)}, 1};
    }
    return {{static_cast<char32_t>(utf8proc_tolower(as_utf8proc(c)))}, 1};
}

int combining_class(char32_t c) {
    if (c < 0x300) return 0;
    const int value = utf8proc_get_property(as_utf8proc(c))->combining_class;
    return value != 0 && in(exceptions::starters, c) ? 0 : value;
}

namespace {

bool is_compatible(UnicodeForm form) { return form == UnicodeForm::nfkc || form == UnicodeForm::nfkd; }
bool is_composed(UnicodeForm form) { return form == UnicodeForm::nfc || form == UnicodeForm::nfkc; }

void append_decomposed(std::u32string& text, char32_t c, UnicodeForm form) {
    const int options = UTF8PROC_DECOMPOSE | (is_compatible(form) ? UTF8PROC_COMPAT : 0);
    std::array<utf8proc_int32_t, 32> parts;  // at most 18
    int last_class = 0;
    const auto size = utf8proc_decompose_char(as_utf8proc(c), parts.data(), parts.size(),
                                              static_cast<utf8proc_option_t>(options), &last_class);
    text.append(parts.begin(), parts.begin() + size);
}

// Marks between two starters by their class (Unicode 15, section 3.11, D109).
void order_marks(std::u32string& text) {
    const auto is_starter = [](char32_t c) { return combining_class(c) == 0; };
    for (auto at = text.begin(); at != text.end();) {
        const auto begin = std::find_if_not(at, text.end(), is_starter);
        at = std::find_if(begin, text.end(), is_starter);
        std::stable_sort(begin, at, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    }
}

void compose(std::u32string& text) {
    std::vector<utf8proc_int32_t> buffer(text.begin(), text.end());
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    const auto size = utf8proc_normalize_utf32(buffer.data(), static_cast<utf8proc_ssize_t>(buffer.size()), options);
    text.assign(buffer.begin(), buffer.begin() + size);
}

}  // namespace

std::u32string to_form(std::u32string_view text, UnicodeForm form) {
    std::u32string made;
    made.reserve(text.size());
    for (const char32_t c : text) append_decomposed(made, c, form);
    order_marks(made);
    if (is_composed(form)) compose(made);
    return made;
}

bool GraphemeBreaker::is_break(char32_t before, char32_t after) {
    return utf8proc_grapheme_break_stateful(as_utf8proc(before), as_utf8proc(after), &state_);
}

namespace {

// Unicode 15, section 3.13, Final_Sigma: "cased" and "case-ignorable".
bool is_cased(char32_t c) {
    const int kind = category(c);
    return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT;
}

bool is_case_ignorable(char32_t c) {
    const int kind = category(c);
    return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_ME || kind == UTF8PROC_CATEGORY_CF ||
           kind == UTF8PROC_CATEGORY_LM || kind == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' ||
           c == 0xB7 || c == 0x2018 || c == 0x2019;
}

template <class Iterator>
bool cased_comes_first(Iterator first, Iterator last) {
    first = std::find_if_not(first, last, is_case_ignorable);
    return first != last && is_cased(*first);
}

bool is_final(std::u32string_view text, std::size_t at) {
    return cased_comes_first(text.rbegin() + static_cast<std::ptrdiff_t>(text.size() - at), text.rend()) &&
           !cased_comes_first(text.begin() + static_cast<std::ptrdiff_t>(at) + 1, text.end());
}

}  // namespace

std::u32string lower_text(std::u32string_view text) {
    constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2;
    std::u32string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == kCapitalSigma && is_final(text, i)) {
            out.push_back(kFinalSigma);
            continue;
        }
        const auto lower = to_lower(text[i]);
        out.append(lower.characters.data(), lower.size);
    }
    return out;
}

}  // namespace moebert
