#include "text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "text/text_encoder.h"

namespace moebert {
namespace {

std::int32_t find_id(const std::vector<std::string>& vocabulary, std::string_view token) {
    const auto found = std::find(vocabulary.rbegin(), vocabulary.rend(), token);
    return found == vocabulary.rend() ? -1 : static_cast<std::int32_t>(vocabulary.rend() - found - 1);
}

std::int32_t require_id(const std::vector<std::string>& vocabulary, const std::string& token) {
    const std::int32_t id = token.empty() ? -1 : find_id(vocabulary, token);
    if (id < 0) fail("the vocabulary of {} tokens lacks the special token \"{}\"", vocabulary.size(), token);
    return id;
}

// Puts an added token into the vocabulary where it isn't there yet, at its own id or else at the end.
void place(AddedToken& token, std::vector<std::string>& vocabulary) {
    const std::int32_t known = find_id(vocabulary, token.content);
    if (known >= 0) token.id = known;
    if (known >= 0 || token.content.empty()) return;
    if (token.id < 0) token.id = static_cast<std::int32_t>(vocabulary.size());
    const auto index = static_cast<std::size_t>(token.id);
    const std::size_t limit = 2 * vocabulary.size() + 1000;  // some ids between may have no token
    if (index >= limit)
        fail("the added token \"{}\" has the id {}, expected at most {}", token.content, index, limit - 1);
    if (index >= vocabulary.size()) vocabulary.resize(index + 1);
    if (!vocabulary[index].empty()) {
        fail("the added token \"{}\" has the id {} of the token \"{}\"", token.content, token.id, vocabulary[index]);
    }
    vocabulary[index] = token.content;
}

// The five special tokens are added tokens too, unless the settings already say how they are found.
void add_special_tokens(TokenizerSettings& settings, const std::vector<std::string>& vocabulary) {
    for (const std::string& content :
         {settings.unk_token, settings.sep_token, settings.pad_token, settings.cls_token, settings.mask_token}) {
        const auto same = [&](const AddedToken& token) { return token.content == content; };
        if (std::any_of(settings.added_tokens.begin(), settings.added_tokens.end(), same)) continue;
        AddedToken token;
        token.content = content;
        token.id = find_id(vocabulary, content);
        if (token.id >= 0) settings.added_tokens.push_back(token);
    }
}

NormalizerOptions normalizer_options(const TokenizerSettings& settings) {
    return {settings.clean_text, settings.tokenize_chinese_chars, settings.strip_accents.value_or(settings.lower_case),
            settings.lower_case};
}

// How many tokens of each text stay when both together may have `room`: Hugging Face's longest_first.
std::pair<std::size_t, std::size_t> longest_first(std::size_t a, std::size_t b, std::size_t room) {
    if (a + b <= room) return {a, b};
    const std::size_t shorter = std::min(a, b);
    const std::size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
    std::pair<std::size_t, std::size_t> kept{shorter, longer};
    if (shorter + longer > room) kept = {room / 2, room / 2 + room % 2};
    if (a > b) std::swap(kept.first, kept.second);
    return kept;
}

std::size_t room_for_text(std::size_t max_length, std::size_t special_tokens) {
    if (max_length < special_tokens) {
        fail("a maximum length of {} tokens has no room for the {} special ones", max_length, special_tokens);
    }
    return max_length - special_tokens;
}

void cut(TokenList& tokens, std::size_t size) {
    tokens.ids.resize(std::min(tokens.ids.size(), size));
    tokens.offsets.resize(std::min(tokens.offsets.size(), size));
}

void push_special(TokenList& tokens, std::int32_t id) {
    tokens.ids.push_back(id);
    if (tokens.with_offsets) tokens.offsets.push_back({0, 0});
}

void append(TokenList& tokens, const TokenList& more) {
    tokens.ids.insert(tokens.ids.end(), more.ids.begin(), more.ids.end());
    tokens.offsets.insert(tokens.offsets.end(), more.offsets.begin(), more.offsets.end());
}

// Tokens from `second_begin` on are the second text's.
Encoding finish(TokenList tokens, std::size_t second_begin) {
    Encoding encoding;
    encoding.token_type_ids.assign(tokens.ids.size(), 0);
    std::fill(encoding.token_type_ids.begin() + static_cast<std::ptrdiff_t>(second_begin),
              encoding.token_type_ids.end(), std::uint8_t{1});
    encoding.input_ids = std::move(tokens.ids);
    encoding.offsets = std::move(tokens.offsets);
    return encoding;
}

}  // namespace

struct Tokenizer::Tables {
    TokenizerSettings settings;
    std::vector<std::string> vocabulary;
    std::int32_t unk_id, cls_id, sep_id, pad_id, mask_id;
    TextEncoder encoder;

    Tables(std::vector<std::string> tokens, TokenizerSettings given)
        : settings(std::move(given)),
          vocabulary(std::move(tokens)),
          unk_id(require_id(vocabulary, settings.unk_token)),
          cls_id(require_id(vocabulary, settings.cls_token)),
          sep_id(require_id(vocabulary, settings.sep_token)),
          pad_id(require_id(vocabulary, settings.pad_token)),
          mask_id(find_id(vocabulary, settings.mask_token)),
          encoder(WordPiece(vocabulary, settings.continuing_subword_prefix, unk_id, settings.max_input_chars_per_word),
                  normalizer_options(settings), settings.added_tokens) {}
};

Tokenizer::Tokenizer(const std::vector<std::string>& vocabulary, TokenizerSettings settings) {
    std::vector<std::string> tokens = vocabulary;
    for (AddedToken& token : settings.added_tokens) place(token, tokens);
    add_special_tokens(settings, tokens);
    tables_ = std::make_shared<const Tables>(std::move(tokens), std::move(settings));
}

Encoding Tokenizer::encode(std::string_view a, std::optional<std::string_view> b, std::size_t max_length,
                           bool with_offsets) const {
    const std::size_t room = room_for_text(max_length, b ? 3 : 2);
    TokenList tokens{{}, {}, with_offsets}, second{{}, {}, with_offsets};
    push_special(tokens, cls_id());
    tables_->encoder.append(a, tokens);
    if (b) tables_->encoder.append(*b, second);
    const auto kept = longest_first(tokens.ids.size() - 1, second.ids.size(), room);
    cut(tokens, kept.first + 1);
    push_special(tokens, sep_id());
    const std::size_t second_begin = tokens.ids.size();
    if (b) {
        cut(second, kept.second);
        append(tokens, second);
        push_special(tokens, sep_id());
    }
    return finish(std::move(tokens), second_begin);
}

Encoding Tokenizer::encode_plain(std::string_view text, bool with_offsets) const {
    TokenList tokens{{}, {}, with_offsets};
    tables_->encoder.append(text, tokens);
    const std::size_t size = tokens.ids.size();
    return finish(std::move(tokens), size);
}

std::string_view Tokenizer::token(std::int32_t id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= vocab_size()) {
        fail("token id {} is outside the vocabulary of {} tokens", id, vocab_size());
    }
    return tables_->vocabulary[static_cast<std::size_t>(id)];
}

std::optional<std::int32_t> Tokenizer::id(std::string_view token) const {
    const std::int32_t id = tables_->encoder.pieces().find(token);
    return id < 0 ? std::nullopt : std::optional(id);
}

std::size_t Tokenizer::vocab_size() const { return tables_->vocabulary.size(); }
const TokenizerSettings& Tokenizer::settings() const { return tables_->settings; }
std::int32_t Tokenizer::unk_id() const { return tables_->unk_id; }
std::int32_t Tokenizer::cls_id() const { return tables_->cls_id; }
std::int32_t Tokenizer::sep_id() const { return tables_->sep_id; }
std::int32_t Tokenizer::pad_id() const { return tables_->pad_id; }
std::int32_t Tokenizer::mask_id() const { return tables_->mask_id; }

}  // namespace moebert
