#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/json_keys.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Kind = TemplatePiece::Kind;

std::string type_of(const json& part) {
    const auto type = part.find("type");
    return type != part.end() && type->is_string() ? type->get<std::string>() : "";
}

[[noreturn]] void refuse_type(const fs::path& file, const std::string& key, const json& part,
                              const std::string& expected) {
    throw InputError(file, key, fmt::format("has the type \"{}\"; understood: {}", type_of(part), expected));
}

// A component's parts: those of a Sequence, or the component itself. `list` is the key of a Sequence's parts.
std::vector<json> parts_of(const json& component, const char* list, const std::string& key, const fs::path& file) {
    if (!component.is_object()) throw InputError(file, key, "expected an object, found " + json_text(component));
    if (type_of(component) != "Sequence") return {component};
    const auto parts = component.find(list);
    const bool valid = parts != component.end() && parts->is_array() &&
                       std::ranges::all_of(*parts, [](const json& part) { return part.is_object(); });
    if (!valid) throw InputError(file, key + "." + list, "expected a list of objects");
    return parts->get<std::vector<json>>();
}

const json& component(const json& object, const char* key) {
    static const json none;
    const auto found = object.find(key);
    return found == object.end() ? none : *found;
}

// ---- normalizer

std::optional<UnicodeForm> unicode_form(const std::string& type) {
    if (type == "NFC") return UnicodeForm::nfc;
    if (type == "NFD") return UnicodeForm::nfd;
    if (type == "NFKC") return UnicodeForm::nfkc;
    if (type == "NFKD") return UnicodeForm::nfkd;
    return std::nullopt;
}

void read_bert_normalizer(const json& part, const fs::path& file, TokenizerSettings& settings) {
    read_key(part, "clean_text", file, settings.clean_text);
    read_key(part, "handle_chinese_chars", file, settings.tokenize_chinese_chars);
    read_key(part, "strip_accents", file, settings.strip_accents);
    read_key(part, "lowercase", file, settings.lower_case);
}

// What remains when nothing is said.
void clear_normalizer(TokenizerSettings& settings) {
    settings.clean_text = settings.tokenize_chinese_chars = settings.lower_case = false;
    settings.strip_accents = false;
}

bool is_decomposed(const std::vector<UnicodeForm>& forms) {
    return !forms.empty() && (forms.back() == UnicodeForm::nfd || forms.back() == UnicodeForm::nfkd);
}

// Unicode's forms, and then BertNormalizer, or Lowercase and StripAccents. StripAccents takes marks away and decomposes
// nothing, so that it needs a form that does.
void read_normalizers(const std::vector<json>& parts, const fs::path& file, TokenizerSettings& settings) {
    constexpr const char* kUnderstood =
        "NFC, NFD, NFKC or NFKD, then BertNormalizer, or Lowercase and (after NFD or NFKD) StripAccents";
    clear_normalizer(settings);
    bool is_done = false;
    for (const json& part : parts) {
        const std::string type = type_of(part);
        const bool is_plain = !is_done && !settings.lower_case && !*settings.strip_accents;
        const auto form = unicode_form(type);
        if (form && is_plain) {
            settings.unicode_forms.push_back(*form);
        } else if (type == "BertNormalizer" && is_plain) {
            settings.clean_text = settings.tokenize_chinese_chars = settings.lower_case = is_done = true;
            settings.strip_accents.reset();
            read_bert_normalizer(part, file, settings);
        } else if (type == "Lowercase" && !is_done && !settings.lower_case) {
            settings.lower_case = true;
        } else if (type == "StripAccents" && !is_done && is_decomposed(settings.unicode_forms)) {
            settings.strip_accents = true;
        } else {
            refuse_type(file, "normalizer", part, kUnderstood);
        }
    }
}

// ---- pre-tokenizer

// Old files say add_prefix_space in place of prepend_scheme.
Metaspace read_metaspace(const json& part, const fs::path& file) {
    Metaspace metaspace;
    std::string replacement = "\xE2\x96\x81", scheme;
    bool prefix = true;
    read_key(part, "replacement", file, replacement);
    read_key(part, "add_prefix_space", file, prefix);
    read_key(part, "prepend_scheme", file, scheme);
    read_key(part, "split", file, metaspace.split);
    if (replacement != "\xE2\x96\x81")
        throw InputError(file, "pre_tokenizer.replacement", fmt::format("expected U+2581, found \"{}\"", replacement));
    if (scheme.empty()) scheme = prefix ? "always" : "never";
    if (scheme != "always" && scheme != "first" && scheme != "never")
        throw InputError(file, "pre_tokenizer.prepend_scheme",
                         fmt::format("expected always, first or never, found \"{}\"", scheme));
    metaspace.prepend = scheme == "always"  ? Metaspace::Prepend::always
                        : scheme == "first" ? Metaspace::Prepend::first
                                            : Metaspace::Prepend::never;
    return metaspace;
}

PreTokenizer read_pre_tokenizer(const json& pre_tokenizer, const fs::path& file, Metaspace& metaspace) {
    constexpr const char* kUnderstood = "BertPreTokenizer, WhitespaceSplit, Whitespace, Metaspace";
    if (pre_tokenizer.is_null())
        throw InputError(file, "pre_tokenizer", fmt::format("is missing; understood: {}", kUnderstood));
    const auto parts = parts_of(pre_tokenizer, "pretokenizers", "pre_tokenizer", file);
    std::vector<std::string> types;
    std::ranges::transform(parts, std::back_inserter(types), type_of);
    using Types = std::vector<std::string>;
    if (types == Types{"BertPreTokenizer"}) return PreTokenizer::bert;
    if (types == Types{"WhitespaceSplit"}) return PreTokenizer::whitespace_split;
    if (types == Types{"Whitespace"}) return PreTokenizer::whitespace;
    if (types == Types{"Metaspace"}) {
        metaspace = read_metaspace(parts[0], file);
        return PreTokenizer::metaspace;
    }
    const json& unknown = parts.empty() ? pre_tokenizer : parts[parts.size() > 1 ? 1 : 0];
    refuse_type(file, "pre_tokenizer", unknown, fmt::format("one of {}", kUnderstood));
}

// ---- post-processor

// {"[CLS]": {"id": "[CLS]", "ids": [101], "tokens": ["[CLS]"]}}; one may stand for several tokens.
void append_special(const json& table, const json& piece, const fs::path& file, std::uint8_t type_id,
                    TemplatePieces& pieces) {
    const std::string where = "post_processor.special_tokens";
    std::string name;
    read_key(piece, "id", file, name);
    const auto entry = table.find(name);
    if (entry == table.end() || !entry->is_object())
        throw InputError(file, where, fmt::format("lacks \"{}\", which the template has", name));
    const json ids = entry->value("ids", json::array());
    const bool valid = ids.is_array() && !ids.empty() && std::ranges::all_of(ids, [](const json& id) {
                           return id.is_number_unsigned() && id.get<std::uint64_t>() < kMostTokens;
                       });
    if (!valid) throw InputError(file, where, fmt::format("\"{}\": expected ids, found {}", name, json_text(ids)));
    for (const json& id : ids) pieces.push_back({Kind::special, type_id, name, id.get<std::int32_t>()});
}

std::uint8_t type_id_of(const json& piece, const fs::path& file) {
    std::uint32_t type = 0;
    read_key(piece, "type_id", file, type);
    if (type > 1) throw InputError(file, "post_processor", fmt::format("has the type_id {}; understood: 0, 1", type));
    return static_cast<std::uint8_t>(type);
}

TemplatePieces read_template(const json& processor, const char* key, const fs::path& file) {
    const std::string where = fmt::format("post_processor.{}", key);
    const json list = processor.value(key, json());
    const json table = processor.value("special_tokens", json::object());
    if (!list.is_array() || !table.is_object()) throw InputError(file, where, "expected a list of pieces");
    TemplatePieces pieces;
    for (const json& item : list) {
        const bool is_special = item.is_object() && item.contains("SpecialToken") && item["SpecialToken"].is_object();
        const bool is_text = item.is_object() && item.contains("Sequence") && item["Sequence"].is_object();
        if (is_special == is_text)
            throw InputError(file, where, "has a piece that isn't understood: " + json_text(item));
        const json& piece = item[is_special ? "SpecialToken" : "Sequence"];
        if (is_special)
            append_special(table, piece, file, type_id_of(piece, file), pieces);
        else
            pieces.push_back({piece.value("id", json()) == "B" ? Kind::second : Kind::first, type_id_of(piece, file)});
    }
    return pieces;
}

// The texts' places in a template, in order.
std::vector<Kind> texts_of(const TemplatePieces& pieces) {
    std::vector<Kind> texts;
    for (const TemplatePiece& piece : pieces)
        if (piece.kind != Kind::special) texts.push_back(piece.kind);
    return texts;
}

Template read_template_processing(const json& processor, const fs::path& file) {
    Template made{read_template(processor, "single", file), read_template(processor, "pair", file)};
    if (texts_of(made.single) != std::vector{Kind::first})
        throw InputError(file, "post_processor.single", "expected the sequence A once");
    if (texts_of(made.pair) != std::vector{Kind::first, Kind::second})
        throw InputError(file, "post_processor.pair", "expected the sequences A and B, once each and in this order");
    return made;
}

// ["[SEP]", 102]
std::string token_of(const json& processor, const char* key, const fs::path& file) {
    const json token = processor.value(key, json());
    if (token.is_array() && token.size() == 2 && token[0].is_string()) return token[0].get<std::string>();
    throw InputError(file, fmt::format("post_processor.{}", key), "expected a token and its id");
}

// Absent: there is none.
std::optional<Template> read_post_processor(const json& processor, const fs::path& file) {
    if (processor.is_null()) return std::nullopt;
    const auto parts = parts_of(processor, "processors", "post_processor", file);
    if (parts.size() == 1 && type_of(parts[0]) == "TemplateProcessing") return read_template_processing(parts[0], file);
    if (parts.size() == 1 && type_of(parts[0]) == "BertProcessing")
        return bert_template(token_of(parts[0], "cls", file), token_of(parts[0], "sep", file));
    refuse_type(file, "post_processor", parts.empty() ? processor : parts.back(),
                "one of TemplateProcessing, BertProcessing");
}

// ---- model

std::size_t token_id(const json& id, const std::string& token, std::size_t limit, const fs::path& file) {
    if (id.is_number_unsigned() && id.get<std::uint64_t>() < limit) return id.get<std::size_t>();
    throw InputError(file, "model.vocab",
                     fmt::format("\"{}\" has the id {}, expected 0 to {}", token, json_text(id), limit - 1));
}

// Some ids may be left out, for added tokens to take.
std::vector<std::string> vocabulary_of(const json& model, const fs::path& file) {
    json tokens = json::object();
    read_key(model, "vocab", file, tokens);
    const std::size_t limit = 2 * tokens.size() + 1000;
    std::vector<std::string> vocabulary;
    for (const auto& [token, id] : tokens.items()) {
        const std::size_t index = token_id(id, token, limit, file);
        if (index >= vocabulary.size()) vocabulary.resize(index + 1);
        if (!vocabulary[index].empty())
            throw InputError(file, "model.vocab",
                             fmt::format("\"{}\" and \"{}\" have the same id {}", vocabulary[index], token, index));
        vocabulary[index] = token;
    }
    return vocabulary;
}

// Files from before the type was written are known by WordPiece's own keys: no other model has a longest word.
const json& read_model(const json& object, const fs::path& file) {
    const json& model = component(object, "model");
    if (!model.is_object()) throw InputError(file, "model", "expected an object of type WordPiece");
    const bool is_untyped = !model.contains("type") && model.contains("max_input_chars_per_word") &&
                            model.contains("vocab") && model["vocab"].is_object();
    if (!is_untyped && type_of(model) != "WordPiece" && type_of(model) != "Unigram")
        refuse_type(file, "model", model, "WordPiece, Unigram");
    return model;
}

// [["<unk>", 0.0], ["\u2581the", -3.2], ...], in the order of the ids.
UnigramSettings read_unigram(const json& model, const fs::path& file, std::vector<std::string>& vocabulary) {
    UnigramSettings settings;
    const json& list = component(model, "vocab");
    if (!list.is_array() || list.size() > kMostTokens)
        throw InputError(file, "model.vocab", "expected a list of pieces");
    for (const json& piece : list) {
        const bool valid = piece.is_array() && piece.size() == 2 && piece[0].is_string() && piece[1].is_number() &&
                           std::isfinite(piece[1].get<double>());
        if (!valid) throw InputError(file, "model.vocab", "expected a piece and its score, found " + json_text(piece));
        vocabulary.push_back(piece[0].get<std::string>());
        settings.scores.push_back(piece[1].get<double>());
    }
    std::uint32_t unk_id = static_cast<std::uint32_t>(vocabulary.size());
    read_key(model, "unk_id", file, unk_id);
    if (unk_id >= vocabulary.size())
        throw InputError(file, "model.unk_id", fmt::format("expected an id of the {} pieces", vocabulary.size()));
    settings.unk_id = static_cast<std::int32_t>(unk_id);
    bool byte_fallback = false;
    read_key(model, "byte_fallback", file, byte_fallback);
    if (byte_fallback) throw InputError(file, "model.byte_fallback", "true isn't supported");
    return settings;
}

TruncationSide truncation_side(const json& object, const fs::path& file) {
    const json& truncation = component(object, "truncation");
    std::string direction = "Right";
    if (truncation.is_object()) read_key(truncation, "direction", file, direction);
    if (direction == "Right") return TruncationSide::right;
    if (direction == "Left") return TruncationSide::left;
    throw InputError(file, "truncation.direction", fmt::format("expected Left or Right, found \"{}\"", direction));
}

// Absent: it isn't said.
std::optional<std::int64_t> truncation_length(const json& object, const fs::path& file) {
    const json& truncation = component(object, "truncation");
    std::optional<std::uint32_t> length;
    if (truncation.is_object()) read_key(truncation, "max_length", file, length);
    return length && *length > 0 ? std::optional<std::int64_t>(*length) : std::nullopt;
}

}  // namespace

AddedToken read_added_token(const json& object, const fs::path& file, std::int32_t id) {
    if (!object.is_object()) throw InputError(file, "an added token", "expected objects, found " + json_text(object));
    AddedToken token;
    token.id = id;
    read_key(object, "id", file, token.id);
    read_key(object, "content", file, token.content);
    read_key(object, "single_word", file, token.single_word);
    read_key(object, "lstrip", file, token.lstrip);
    read_key(object, "rstrip", file, token.rstrip);
    read_key(object, "normalized", file, token.normalized);
    return token;
}

TokenizerJson read_tokenizer_json(const json& object, const fs::path& file) {
    TokenizerJson read;
    TokenizerSettings& settings = read.settings;
    const json& model = read_model(object, file);
    if (type_of(model) == "Unigram") {
        settings.unigram = read_unigram(model, file, read.vocabulary);
    } else {
        read_key(model, "unk_token", file, settings.unk_token);
        read_key(model, "continuing_subword_prefix", file, settings.continuing_subword_prefix);
        read_key(model, "max_input_chars_per_word", file, settings.max_input_chars_per_word);
        read.vocabulary = vocabulary_of(model, file);
    }
    const json& normalizer = component(object, "normalizer");
    if (!normalizer.is_null()) {
        read_normalizers(parts_of(normalizer, "normalizers", "normalizer", file), file, settings);
        read.has_plain_normalizer = type_of(normalizer) == "BertNormalizer";
    } else {
        clear_normalizer(settings);
    }
    settings.pre_tokenizer = read_pre_tokenizer(component(object, "pre_tokenizer"), file, settings.metaspace);
    settings.special_tokens = read_post_processor(component(object, "post_processor"), file);
    settings.truncation_side = truncation_side(object, file);
    settings.model_max_length = truncation_length(object, file);
    const json& added = component(object, "added_tokens");
    if (!added.is_null() && !added.is_array()) throw InputError(file, "added_tokens", "expected a list");
    for (const json& token : added) settings.added_tokens.push_back(read_added_token(token, file, -1));
    return read;
}

}  // namespace moebert
