#include "text/text_encoder.h"

#include <algorithm>
#include <span>
#include <string>

#include "core/utf8.h"
#include "text/unicode.h"

namespace moebert {
namespace {

std::vector<AddedToken> original_only(std::vector<AddedToken> tokens) {
    std::erase_if(tokens, [](const AddedToken& token) { return token.normalized; });
    return tokens;
}

// Those found in normalised text are normalised themselves.
std::vector<AddedToken> normalized_only(std::vector<AddedToken> tokens, const NormalizerOptions& options) {
    std::erase_if(tokens, [](const AddedToken& token) { return !token.normalized; });
    for (AddedToken& token : tokens) token.content = to_utf8(normalize(token.content, options));
    return tokens;
}

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char byte) { return static_cast<unsigned char>(byte) < 0x80; });
}

// What a character is to the pre-tokenizer: words are runs of one class, but where each punctuation character is one.
enum class CharacterClass { word, punctuation, other, space };

CharacterClass class_of(char32_t c, PreTokenizer pre_tokenizer) {
    if (is_whitespace(c)) return CharacterClass::space;
    switch (pre_tokenizer) {
        case PreTokenizer::bert:
            return is_punctuation(c) ? CharacterClass::punctuation : CharacterClass::word;
        case PreTokenizer::whitespace_split:
            return CharacterClass::word;
        case PreTokenizer::whitespace:
            return is_word_character(c) ? CharacterClass::word : CharacterClass::other;
        case PreTokenizer::metaspace:
            return CharacterClass::other;  // text is cut before spaces, see append_metaspace()
    }
    return CharacterClass::word;
}

}  // namespace

TextEncoder::TextEncoder(PieceModel pieces, NormalizerOptions options, PreTokenizer pre_tokenizer, Metaspace metaspace,
                         const std::vector<AddedToken>& added_tokens)
    : pieces_(std::move(pieces)),
      options_(options),
      pre_tokenizer_(pre_tokenizer),
      metaspace_(metaspace),
      original_tokens_(original_only(added_tokens)),
      normalized_tokens_(normalized_only(added_tokens, options)) {
    kinds_.fill(ByteKind::other);
    for (char32_t c = 0; c < 0x80; ++c) {
        lowered_[c] = static_cast<char>(options.lower_case ? to_lower(c).characters[0] : c);
        if (options.clean_text && is_control(c)) continue;
        switch (class_of(c, pre_tokenizer_)) {
            case CharacterClass::word:
                kinds_[c] = ByteKind::word;
                break;
            case CharacterClass::punctuation:
                kinds_[c] = ByteKind::punctuation;
                break;
            case CharacterClass::space:
                kinds_[c] = ByteKind::space;
                break;
            case CharacterClass::other:  // a run of them may go on beyond ASCII
                break;
        }
    }
}

// The work on one text, and the buffers it uses.
class TextEncoder::Run {
public:
    Run(const TextEncoder& encoder, TokenList& tokens) : encoder_(encoder), tokens_(tokens) {}

    void append_text(std::string_view text) {
        if (encoder_.original_tokens_.empty() || !encoder_.original_tokens_.may_occur_in(text))
            return append_part(text);
        for (const TextPart& part : encoder_.original_tokens_.split(text)) {
            const std::string_view bytes = text.substr(part.begin, part.end - part.begin);
            if (part.id < 0) {
                append_part(bytes);
            } else {
                const std::uint32_t begin = character_;
                character_ += static_cast<std::uint32_t>(count_characters(bytes));
                push(part.id, begin, character_);
            }
        }
    }

private:
    void push(std::int32_t id, std::uint32_t begin, std::uint32_t end) {
        tokens_.ids.push_back(id);
        if (tokens_.with_offsets) tokens_.offsets.push_back({begin, end});
    }

    void append_part(std::string_view text) {
        if (encoder_.normalized_tokens_.empty()) {
            // A Unicode form may compose punctuation with a mark after it.
            const bool is_whole = encoder_.pre_tokenizer_ == PreTokenizer::metaspace ||
                                  (!encoder_.options_.unicode_forms.empty() && !is_ascii(text));
            is_whole ? append_any(text) : append_fast(text);
        } else {
            append_with_normalized_tokens(text);
        }
    }

    // ASCII words one by one. A stretch from a word with another character in it to the next ASCII space goes through
    // normalize(), which such a space never lets look across.
    void append_fast(std::string_view text) {
        std::size_t at = 0;
        while (at < text.size()) {
            const std::size_t begin = at;
            while (at < text.size() && kind(text[at]) == ByteKind::word) ++at;
            if (at < text.size() && kind(text[at]) == ByteKind::other) {
                at = find_space(text, at);
                append_any(text.substr(begin, at - begin));
                continue;
            }
            if (at > begin) append_ascii_word(text.substr(begin, at - begin));
            if (at == text.size()) break;
            if (kind(text[at]) == ByteKind::punctuation) {
                append_ascii_word(text.substr(at, 1));
            } else {
                ++character_;
            }
            ++at;
        }
    }

    ByteKind kind(char byte) const { return encoder_.kinds_[static_cast<std::uint8_t>(byte)]; }

    std::size_t find_space(std::string_view text, std::size_t at) const {
        while (at < text.size() && kind(text[at]) != ByteKind::space) ++at;
        return at;
    }

    void append_ascii_word(std::string_view word) {
        word_.resize(word.size());
        for (std::size_t i = 0; i < word.size(); ++i) {
            word_[i] = encoder_.lowered_[static_cast<std::uint8_t>(word[i])];
        }
        ends_.clear();
        split_word(word_.size());
        std::uint32_t begin = 0;
        for (const std::uint32_t end : ends_) {
            tokens_.offsets.push_back({character_ + begin, character_ + end});
            begin = end;
        }
        character_ += static_cast<std::uint32_t>(word.size());
    }

    void append_any(std::string_view text) {
        append_normalized(normalize(text, encoder_.options_, character_));
        character_ += static_cast<std::uint32_t>(count_characters(text));
    }

    // Words of normalised text.
    void append_normalized(std::span<const NormalizedCharacter> text) {
        if (encoder_.pre_tokenizer_ == PreTokenizer::metaspace) {
            if (!text.empty()) append_metaspace(text);
            return;
        }
        const auto class_at = [&](std::size_t i) { return class_of(text[i].c, encoder_.pre_tokenizer_); };
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t begin = at++;
            const auto kind = class_at(begin);
            if (kind == CharacterClass::space) continue;
            if (kind != CharacterClass::punctuation)
                while (at < text.size() && class_at(at) == kind) ++at;
            append_word(text.subspan(begin, at - begin));
        }
    }

    // Each space is written as a character of the word after it, and the first word may have one put before it.
    void append_metaspace(std::span<const NormalizedCharacter> text) {
        constexpr char32_t kSpace = 0x2581;  // LOWER ONE EIGHTH BLOCK
        NormalizedText marked;
        marked.reserve(text.size() + 1);
        const auto prepend = encoder_.metaspace_.prepend;
        const bool is_first = prepend == Metaspace::Prepend::first && text.front().begin == 0;
        const bool begins_with_space = text.front().c == ' ' || text.front().c == kSpace;
        if ((prepend == Metaspace::Prepend::always || is_first) && !begins_with_space)
            marked.push_back({kSpace, text.front().begin, text.front().end});
        for (NormalizedCharacter character : text) {
            if (character.c == ' ') character.c = kSpace;
            marked.push_back(character);
        }
        const auto cuts_at = [&](std::size_t at) { return encoder_.metaspace_.split && marked[at].c == kSpace; };
        for (std::size_t begin = 0, at = 1; begin < marked.size(); ++at) {
            if (at < marked.size() && !cuts_at(at)) continue;
            append_word(std::span(marked).subspan(begin, at - begin));
            begin = at;
        }
    }

    // word_, of so many characters.
    void split_word(std::size_t characters) {
        auto* ends = tokens_.with_offsets ? &ends_ : nullptr;
        if (const auto* pieces = std::get_if<WordPiece>(&encoder_.pieces_))
            pieces->split(word_, characters, tokens_.ids, ends);
        else
            std::get<Unigram>(encoder_.pieces_).split(word_, tokens_.ids, ends);
    }

    void append_word(std::span<const NormalizedCharacter> word) {
        word_.clear();
        character_of_byte_.clear();
        for (std::size_t i = 0; i < word.size(); ++i) {
            append_utf8(word_, word[i].c);
            character_of_byte_.resize(word_.size(), i);
        }
        ends_.clear();
        split_word(word.size());
        std::size_t begin = 0;
        for (const std::uint32_t end : ends_) {
            tokens_.offsets.push_back({word[character_of_byte_[begin]].begin, word[character_of_byte_[end - 1]].end});
            begin = end;
        }
    }

    void append_with_normalized_tokens(std::string_view text) {
        const NormalizedText normalized = normalize(text, encoder_.options_, character_);
        character_ += static_cast<std::uint32_t>(count_characters(text));
        const std::string bytes = to_utf8(normalized);
        std::size_t first = 0;
        for (const TextPart& part : encoder_.normalized_tokens_.split(bytes)) {
            const std::size_t size =
                count_characters(std::string_view(bytes).substr(part.begin, part.end - part.begin));
            const auto characters = std::span(normalized).subspan(first, size);
            first += size;
            if (part.id < 0) {
                append_normalized(characters);
            } else {
                push(part.id, characters.front().begin, characters.back().end);
            }
        }
    }

    const TextEncoder& encoder_;
    TokenList& tokens_;
    std::uint32_t character_ = 0;  // of the original text, up to where the work is done
    std::string word_;
    std::vector<std::size_t> character_of_byte_;
    std::vector<std::uint32_t> ends_;  // bytes of word_
};

void TextEncoder::append(std::string_view text, TokenList& tokens) const { Run(*this, tokens).append_text(text); }

}  // namespace moebert
