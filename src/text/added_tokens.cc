#include "text/added_tokens.h"

#include <algorithm>

#include "core/utf8.h"
#include "text/unicode.h"

namespace moebert {
namespace {

std::vector<Trie::Entry> with_indices(const std::vector<AddedToken>& tokens) {
    std::vector<Trie::Entry> entries;
    entries.reserve(tokens.size());
    for (const AddedToken& token : tokens)
        entries.emplace_back(token.content, static_cast<std::int32_t>(entries.size()));
    return entries;
}

// The character that ends before byte `at`, which is above 0. Malformed bytes count one by one.
DecodedCharacter character_before(std::string_view text, std::size_t at) {
    for (std::size_t bytes = 1; bytes <= std::min<std::size_t>(4, at); ++bytes) {
        const DecodedCharacter character = decode_utf8(text.substr(0, at), at - bytes);
        if (character.valid && character.bytes == bytes) return character;
    }
    return {0xFFFD, 1, false};
}

bool is_inside_word(std::string_view text, std::size_t begin, std::size_t end) {
    const bool word_before = begin > 0 && is_word_character(character_before(text, begin).code_point);
    return word_before || (end < text.size() && is_word_character(decode_utf8(text, end).code_point));
}

std::size_t skip_space_before(std::string_view text, std::size_t at, std::size_t limit) {
    while (at > limit && is_whitespace(character_before(text, at).code_point)) at -= character_before(text, at).bytes;
    return at;
}

std::size_t skip_space_after(std::string_view text, std::size_t at) {
    while (at < text.size() && is_whitespace(decode_utf8(text, at).code_point)) at += decode_utf8(text, at).bytes;
    return at;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), trie_(with_indices(tokens_)) {
    for (const AddedToken& token : tokens_) {
        if (!token.content.empty()) begins_token_[static_cast<std::uint8_t>(token.content.front())] = true;
    }
}

bool AddedTokenFinder::may_occur_in(std::string_view text) const {
    return std::any_of(text.begin(), text.end(),
                       [this](char byte) { return begins_token_[static_cast<std::uint8_t>(byte)]; });
}

std::vector<TextPart> AddedTokenFinder::split(std::string_view text) const {
    std::vector<TextPart> parts;
    for (std::size_t at = 0; at < text.size();) {
        const bool possible = begins_token_[static_cast<std::uint8_t>(text[at])];
        const Trie::Match match = possible ? trie_.longest(Trie::root, text.substr(at)) : Trie::Match{};
        if (match.value == Trie::no_value) {
            ++at;
            continue;
        }
        append(parts, text, at, at + match.length, tokens_[static_cast<std::size_t>(match.value)]);
        at = std::max(at + match.length, parts.empty() ? 0 : parts.back().end);
    }
    const std::size_t done = parts.empty() ? 0 : parts.back().end;
    if (done < text.size()) parts.push_back({done, text.size(), -1});
    return parts;
}

void AddedTokenFinder::append(std::vector<TextPart>& parts, std::string_view text, std::size_t begin, std::size_t end,
                              const AddedToken& token) const {
    if (token.single_word && is_inside_word(text, begin, end)) return;
    const std::size_t done = parts.empty() ? 0 : parts.back().end;
    if (token.lstrip) begin = skip_space_before(text, begin, done);
    if (token.rstrip) end = skip_space_after(text, end);
    if (done < begin) parts.push_back({done, begin, -1});
    parts.push_back({begin, end, token.id});
}

}  // namespace moebert
