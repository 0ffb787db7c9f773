#include "text/tokenizer.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "text/text_encoder.h"

namespace moebert {
namespace {

// The ids of tokens; of a token that stands twice the last one counts.
using Ids = std::unordered_map<std::string_view, std::int32_t>;

Ids ids_of(const std::vector<std::string>& vocabulary) {
    Ids ids;
    ids.reserve(vocabulary.size());
    for (const std::string& token : vocabulary)
        if (!token.empty()) ids[token] = static_cast<std::int32_t>(&token - vocabulary.data());
    return ids;
}

std::int32_t find_id(const Ids& ids, std::string_view token) {
    const auto found = ids.find(token);
    return found == ids.end() ? -1 : found->second;
}

std::int32_t require_id(const Ids& ids, std::size_t tokens, const std::string& token) {
    const std::int32_t id = find_id(ids, token);
    if (id < 0) fail("the vocabulary of {} tokens lacks the special token \"{}\"", tokens, token);
    return id;
}

// Puts added tokens into the vocabulary where they aren't there yet, at their own ids or else at the end.
class Placer {
public:
    explicit Placer(std::vector<std::string>& vocabulary) : vocabulary_(vocabulary) {
        for (const std::string& token : vocabulary)
            if (!token.empty()) ids_[token] = static_cast<std::int32_t>(&token - vocabulary.data());
    }

    void place(AddedToken& token) {
        if (token.content.empty()) return;
        if (const auto known = ids_.find(token.content); known != ids_.end()) {
            token.id = known->second;
            return;
        }
        if (token.id < 0) token.id = static_cast<std::int32_t>(vocabulary_.size());
        slot_for(token) = token.content;
        ids_[token.content] = token.id;
    }

    std::int32_t find(const std::string& token) const {
        const auto found = ids_.find(token);
        return found == ids_.end() ? -1 : found->second;
    }

private:
    std::string& slot_for(const AddedToken& token) {
        const auto index = static_cast<std::size_t>(token.id);
        const std::size_t limit = 2 * vocabulary_.size() + 1000;  // some ids between may have no token
        if (index >= limit)
            fail("the added token \"{}\" has the id {}, expected at most {}", token.content, index, limit - 1);
        if (index >= vocabulary_.size()) vocabulary_.resize(index + 1);
        if (!vocabulary_[index].empty())
            fail("the added token \"{}\" has the id {} of the token \"{}\"", token.content, token.id,
                 vocabulary_[index]);
        return vocabulary_[index];
    }

    std::vector<std::string>& vocabulary_;
    std::unordered_map<std::string, std::int32_t> ids_;
};

// The five special tokens are added tokens too, unless the settings already say how they are found.
void add_special_tokens(TokenizerSettings& settings, const Placer& placer) {
    std::unordered_set<std::string> known;
    for (const AddedToken& token : settings.added_tokens) known.insert(token.content);
    for (const std::string& content :
         {settings.unk_token, settings.sep_token, settings.pad_token, settings.cls_token, settings.mask_token}) {
        AddedToken token;
        token.content = content;
        token.id = placer.find(content);
        if (token.id >= 0 && known.insert(content).second) settings.added_tokens.push_back(token);
    }
}

// Gives the special tokens of the template their ids.
void look_up(TemplatePieces& pieces, const Ids& ids, std::size_t tokens) {
    for (TemplatePiece& piece : pieces) {
        if (piece.kind != TemplatePiece::Kind::special) continue;
        if (piece.id < 0) piece.id = require_id(ids, tokens, piece.token);
        if (static_cast<std::size_t>(piece.id) >= tokens)
            fail("the template's token \"{}\" has the id {}, outside the vocabulary of {} tokens", piece.token,
                 piece.id, tokens);
    }
}

Template template_of(const TokenizerSettings& settings, const Ids& ids, std::size_t tokens) {
    auto made = settings.special_tokens.value_or(bert_template(settings.cls_token, settings.sep_token));
    for (auto* pieces : {&made.single, &made.pair}) {
        look_up(*pieces, ids, tokens);
        if (!settings.has_token_types)
            for (TemplatePiece& piece : *pieces) piece.type_id = 0;
    }
    return made;
}

NormalizerOptions normalizer_options(const TokenizerSettings& settings) {
    return {settings.unicode_forms, settings.clean_text, settings.tokenize_chinese_chars,
            settings.strip_accents.value_or(settings.lower_case), settings.lower_case};
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

template <class T>
void cut(std::vector<T>& values, std::size_t size, TruncationSide side) {
    if (values.size() <= size) return;
    if (side == TruncationSide::left)
        values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(size));
    else
        values.resize(size);
}

// Whether there were more tokens than `size`.
bool cut(TokenList& tokens, std::size_t size, TruncationSide side) {
    const bool is_longer = tokens.ids.size() > size;
    cut(tokens.ids, size, side);
    cut(tokens.offsets, size, side);
    return is_longer;
}

// The texts' tokens and the special ones, as the template orders them.
Encoding assemble(const TemplatePieces& pieces, const TokenList& first, const TokenList& second) {
    Encoding encoding;
    const auto size = first.ids.size() + second.ids.size() + count_special_tokens(pieces);
    encoding.input_ids.reserve(size);
    encoding.token_type_ids.reserve(size);
    if (first.with_offsets) encoding.offsets.reserve(size);
    for (const TemplatePiece& piece : pieces) {
        if (piece.kind == TemplatePiece::Kind::special) {
            encoding.input_ids.push_back(piece.id);
            if (first.with_offsets) encoding.offsets.push_back({0, 0});
        } else {
            const TokenList& text = piece.kind == TemplatePiece::Kind::first ? first : second;
            encoding.input_ids.insert(encoding.input_ids.end(), text.ids.begin(), text.ids.end());
            encoding.offsets.insert(encoding.offsets.end(), text.offsets.begin(), text.offsets.end());
        }
        encoding.token_type_ids.resize(encoding.input_ids.size(), piece.type_id);
    }
    return encoding;
}

}  // namespace

struct Tokenizer::Tables {
    TokenizerSettings settings;
    std::vector<std::string> vocabulary;
    Ids ids;  // views of the vocabulary
    std::int32_t unk_id, cls_id, sep_id, pad_id, mask_id;
    Template special_tokens;
    TextEncoder encoder;

    // The first `pieces` tokens of the vocabulary are the model's own.
    Tables(std::vector<std::string> tokens, std::size_t pieces, TokenizerSettings given)
        : settings(std::move(given)),
          vocabulary(std::move(tokens)),
          ids(ids_of(vocabulary)),
          unk_id(settings.unigram ? settings.unigram->unk_id : special_id(settings.unk_token)),
          cls_id(special_id(settings.cls_token)),
          sep_id(special_id(settings.sep_token)),
          pad_id(special_id(settings.pad_token)),
          mask_id(find_id(ids, settings.mask_token)),
          special_tokens(template_of(settings, ids, vocabulary.size())),
          encoder(model_of({vocabulary.begin(), vocabulary.begin() + static_cast<std::ptrdiff_t>(pieces)}),
                  normalizer_options(settings), settings.pre_tokenizer, settings.metaspace, settings.added_tokens) {}

    std::int32_t special_id(const std::string& token) const {
        return settings.unigram ? find_id(ids, token) : require_id(ids, vocabulary.size(), token);
    }

    PieceModel model_of(const std::vector<std::string>& pieces) const {
        if (settings.unigram) return Unigram(pieces, settings.unigram->scores, settings.unigram->unk_id);
        return WordPiece(pieces, settings.continuing_subword_prefix, unk_id, settings.max_input_chars_per_word);
    }
};

Tokenizer::Tokenizer(const std::vector<std::string>& vocabulary, TokenizerSettings settings) {
    std::vector<std::string> tokens = vocabulary;
    Placer placer(tokens);
    for (AddedToken& token : settings.added_tokens) placer.place(token);
    add_special_tokens(settings, placer);
    tables_ = std::make_shared<const Tables>(std::move(tokens), vocabulary.size(), std::move(settings));
}

Encoding Tokenizer::encode(std::string_view a, std::optional<std::string_view> b, std::size_t max_length,
                           bool with_offsets) const {
    const TemplatePieces& pieces = b ? pair_template() : single_template();
    const std::size_t room = room_for_text(max_length, count_special_tokens(pieces));
    TokenList first{{}, {}, with_offsets}, second{{}, {}, with_offsets};
    tables_->encoder.append(a, first);
    if (b) tables_->encoder.append(*b, second);
    const auto kept = longest_first(first.ids.size(), second.ids.size(), room);
    const bool first_is_cut = cut(first, kept.first, settings().truncation_side);
    const bool second_is_cut = cut(second, kept.second, settings().truncation_side);
    Encoding encoding = assemble(pieces, first, second);
    encoding.is_cut = first_is_cut || second_is_cut;
    return encoding;
}

Encoding Tokenizer::encode_plain(std::string_view text, bool with_offsets) const {
    TokenList tokens{{}, {}, with_offsets};
    tables_->encoder.append(text, tokens);
    Encoding encoding;
    encoding.token_type_ids.assign(tokens.ids.size(), 0);
    encoding.input_ids = std::move(tokens.ids);
    encoding.offsets = std::move(tokens.offsets);
    return encoding;
}

Encoding Tokenizer::join(std::span<const std::int32_t> first, std::span<const std::int32_t> second) const {
    return assemble(pair_template(), {{first.begin(), first.end()}, {}}, {{second.begin(), second.end()}, {}});
}

const TemplatePieces& Tokenizer::single_template() const { return tables_->special_tokens.single; }
const TemplatePieces& Tokenizer::pair_template() const { return tables_->special_tokens.pair; }

std::int64_t Tokenizer::pair_types() const {
    return 1 + std::ranges::max_element(pair_template(), {}, &TemplatePiece::type_id)->type_id;
}

std::string_view Tokenizer::token(std::int32_t id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= vocab_size()) {
        fail("token id {} is outside the vocabulary of {} tokens", id, vocab_size());
    }
    return tables_->vocabulary[static_cast<std::size_t>(id)];
}

std::optional<std::int32_t> Tokenizer::id(std::string_view token) const {
    const std::int32_t id = find_id(tables_->ids, token);
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
