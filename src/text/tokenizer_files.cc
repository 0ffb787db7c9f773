#include "text/tokenizer_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "core/utf8.h"
#include "io/file.h"
#include "io/json.h"
#include "text/json_keys.h"
#include "text/tokenizer_json.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{1} << 28;
constexpr const char* kVocabulary = "vocab.txt";
constexpr const char* kTokenizer = "tokenizer.json";
constexpr const char* kAdded = "added_tokens.json";
constexpr const char* kSpecial = "special_tokens_map.json";
constexpr const char* kConfig = "tokenizer_config.json";

// A JSON object; absent when the file doesn't exist.
std::optional<json> read_object(const fs::path& file) {
    std::error_code ignored;  // shows when it is read
    if (!fs::exists(file, ignored)) return std::nullopt;
    return parse_json_object(read_text(file, kMostBytes), file);
}

// A special token is a string, or an object with its content.
void read_special_token(const json& object, const char* key, const fs::path& file, std::string& token) {
    const auto found = object.find(key);
    const bool wrapped = found != object.end() && found->is_object();
    read_key(wrapped ? *found : object, wrapped ? "content" : key, file, token);
}

void read_special_tokens(const json& object, const fs::path& file, TokenizerSettings& settings) {
    read_special_token(object, "unk_token", file, settings.unk_token);
    read_special_token(object, "cls_token", file, settings.cls_token);
    read_special_token(object, "sep_token", file, settings.sep_token);
    read_special_token(object, "pad_token", file, settings.pad_token);
    read_special_token(object, "mask_token", file, settings.mask_token);
}

// Added tokens, of which a later description of the same one replaces the earlier. An id that is known stays known.
class AddedTokens {
public:
    void add(AddedToken token) {
        const auto [found, is_new] = places_.emplace(token.content, tokens_.size());
        if (is_new) return tokens_.push_back(std::move(token));
        AddedToken& known = tokens_[found->second];
        if (token.id < 0) token.id = known.id;
        known = std::move(token);
    }

    // By name (and id) alone: another description, if there is one, says more.
    void add_name(AddedToken token) {
        const auto found = places_.find(token.content);
        if (found == places_.end()) return add(std::move(token));
        if (tokens_[found->second].id < 0) tokens_[found->second].id = token.id;
    }

    std::vector<AddedToken> take() { return std::move(tokens_); }

private:
    std::vector<AddedToken> tokens_;
    std::unordered_map<std::string, std::size_t> places_;
};

std::int32_t parse_id(const std::string& text, const fs::path& file) {
    const bool digits = !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) throw InputError(file, "added_tokens_decoder", "expected a token id, found \"" + text + "\"");
    return std::stoi(text);
}

// {"[E1]": 30522}: tokens of which nothing else is known. A special one is looked for in the text as it is.
void read_added_tokens(const json& object, const fs::path& file, AddedTokens& added) {
    for (const auto& [content, id] : object.items()) {
        AddedToken token;
        token.content = content;
        read_key(object, content.c_str(), file, token.id);
        token.normalized = true;
        added.add_name(std::move(token));
    }
}

// Special tokens that a template of BERT doesn't have: bos_token and eos_token, and additional_special_tokens, or
// extra_special_tokens as newer files call them. Names or descriptions, in a list or an object.
void read_more_special_tokens(const json& object, const fs::path& file, AddedTokens& added) {
    for (const char* key : {"bos_token", "eos_token"}) {
        const auto token = object.find(key);
        if (token == object.end() || token->is_null()) continue;
        if (token->is_object())
            added.add(read_added_token(*token, file, -1));
        else if (token->is_string())
            added.add_name({token->get<std::string>()});
        else
            throw InputError(file, key, "expected a token, found " + json_text(*token));
    }
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
        const auto list = object.find(key);
        if (list == object.end() || list->is_null()) continue;
        if (!list->is_structured()) throw InputError(file, key, "expected a list of tokens, found " + json_text(*list));
        for (const json& item : *list) {
            if (!item.is_string() && !item.is_object())
                throw InputError(file, key, "expected tokens, found " + json_text(item));
            if (item.is_string())
                added.add_name({item.get<std::string>()});
            else
                added.add(read_added_token(item, file, -1));
        }
    }
}

void read_added_tokens_decoder(const json& config, const fs::path& file, AddedTokens& added) {
    json decoder = json::object();
    read_key(config, "added_tokens_decoder", file, decoder);
    for (const auto& [id, token] : decoder.items()) added.add(read_added_token(token, file, parse_id(id, file)));
}

// ---- vocab.txt

std::string without_trailing_space(std::string_view line) {
    return std::string(line.substr(0, line.find_last_not_of(" \t\r\n") + 1));
}

// Blank lines at the end are no tokens.
std::vector<std::string> read_vocabulary_text(const fs::path& file) {
    const std::string content = read_text(file, kMostBytes);
    std::string_view text = content;
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    std::vector<std::string> vocabulary;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const auto line = text.substr(begin, end - begin);
        if (find_malformed_utf8(line))
            throw InputError(file, fmt::format("line {}", vocabulary.size() + 1), "isn't UTF-8");
        vocabulary.push_back(without_trailing_space(line));
        if (vocabulary.size() > kMostTokens)
            throw InputError(file, "", fmt::format("has more than {} lines", kMostTokens));
        begin = end + 1;
    }
    return vocabulary;
}

// ---- tokenizer_config.json

// Which of Hugging Face's classes reads the folder.
struct TokenizerClass {
    std::string name;  // without "Fast"
    bool is_generic() const { return name == "PreTrainedTokenizer" || name == "TokenizersBackend"; }
    // Those whose models have no token types, unless model_input_names has them.
    bool lacks_types() const { return name == "DistilBertTokenizer" || name == "TokenizersBackend"; }
};

TokenizerClass read_class(const json& config, const fs::path& file) {
    const std::set<std::string> understood = {"BertTokenizer",       "DistilBertTokenizer", "ElectraTokenizer",
                                              "MobileBertTokenizer", "ConvBertTokenizer",   "LayoutLMTokenizer",
                                              "LxmertTokenizer",     "RetriBertTokenizer",  "PreTrainedTokenizer",
                                              "TokenizersBackend",   "SqueezeBertTokenizer"};
    std::string name = "BertTokenizer";
    read_key(config, "tokenizer_class", file, name);
    const std::string given = name;
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    if (understood.contains(name)) return {name};
    throw InputError(
        file, "tokenizer_class",
        fmt::format("{} isn't supported; understood: {} (with or without Fast)", given, fmt::join(understood, ", ")));
}

// Settings that would cut text otherwise.
void refuse_other_ways(const json& config, const fs::path& file) {
    const std::pair<const char*, json> only[] = {{"do_basic_tokenize", true},
                                                 {"do_word_tokenize", true},
                                                 {"do_subword_tokenize", true},
                                                 {"word_tokenizer_type", "basic"},
                                                 {"subword_tokenizer_type", "wordpiece"},
                                                 {"split_special_tokens", false}};
    for (const auto& [key, expected] : only) {
        const auto found = config.find(key);
        if (found == config.end() || found->is_null() || *found == expected) continue;
        throw InputError(file, key,
                         fmt::format("{} isn't supported; understood: {}", json_text(*found), json_text(expected)));
    }
}

// The special tokens are never split anyway.
void refuse_never_split(const json& config, const fs::path& file) {
    const std::set<std::string> special = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};
    const auto list = config.find("never_split");
    if (list == config.end() || list->is_null()) return;
    for (const json& token : *list)
        if (!token.is_string() || !special.contains(token.get<std::string>()))
            throw InputError(file, "never_split",
                             fmt::format("{} isn't supported; understood: special tokens", json_text(token)));
}

// Settings that nobody here knows may cut text otherwise: they are named. The others that stand here do not.
std::vector<std::string> unknown_settings(const json& config) {
    static const std::set<std::string> known = {
        // read above and below
        "added_tokens_decoder", "additional_special_tokens", "bos_token", "clean_text", "cls_token",
        "do_basic_tokenize", "do_lower_case", "do_subword_tokenize", "do_word_tokenize", "eos_token",
        "extra_special_tokens", "mask_token", "max_input_chars_per_word", "max_len", "model_input_names",
        "model_max_length", "never_split", "pad_token", "sep_token", "split_special_tokens", "strip_accents",
        "subword_tokenizer_type", "tokenize_chinese_chars", "tokenizer_class", "truncation_side", "unk_token",
        "word_tokenizer_type", "wordpieces_prefix",
        // of padding, of texts made from tokens, and of where files lie
        "auto_map", "backend", "chat_template", "clean_up_tokenization_spaces", "full_tokenizer_file", "init_inputs",
        "is_local", "local_files_only", "max_length", "mecab_kwargs", "model_specific_special_tokens", "name_or_path",
        "pad_to_multiple_of", "pad_token_type_id", "padding", "padding_side", "processor_class",
        "special_tokens_map_file", "stride", "tokenizer_file", "transformers_version", "truncation",
        "truncation_strategy", "use_fast", "verbose", "vocab_file"};
    std::vector<std::string> unknown;
    for (const auto& [key, value] : config.items())
        if (!known.contains(key) && !key.starts_with('_') && !value.is_null()) unknown.push_back(key);
    return unknown;
}

bool has_token_types(const json& config, const TokenizerClass& kind, const fs::path& file) {
    const auto names = config.find("model_input_names");
    if (names == config.end() || names->is_null()) return !kind.lacks_types();
    if (!names->is_array()) throw InputError(file, "model_input_names", "expected a list, found " + json_text(*names));
    return std::ranges::find(*names, json("token_type_ids")) != names->end();
}

void read_truncation_side(const json& config, const fs::path& file, TruncationSide& side) {
    std::string name = side == TruncationSide::left ? "left" : "right";
    read_key(config, "truncation_side", file, name);
    if (name != "left" && name != "right")
        throw InputError(file, "truncation_side", fmt::format("expected left or right, found \"{}\"", name));
    side = name == "left" ? TruncationSide::left : TruncationSide::right;
}

// Hugging Face's tools write 1e30 where there is none. Old files say max_len.
void read_model_max_length(const json& config, const fs::path& file, std::optional<std::int64_t>& length) {
    const char* key = config.contains("model_max_length") ? "model_max_length" : "max_len";
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return;
    if (!found->is_number() || !(found->get<double>() >= 1))
        throw InputError(file, key, "expected a number of tokens, found " + json_text(*found));
    if (found->get<double>() < 1e9) length = static_cast<std::int64_t>(std::floor(found->get<double>()));
}

// ---- what BertTokenizer makes of them

class Reader {
public:
    explicit Reader(const fs::path& dir) : dir_(dir) {}

    TokenizerFiles read() {
        const json config = read_object(dir_ / kConfig).value_or(json::object());
        const auto kind = read_class(config, dir_ / kConfig);
        refuse_other_ways(config, dir_ / kConfig);
        refuse_never_split(config, dir_ / kConfig);
        if (const auto unknown = unknown_settings(config); !unknown.empty())
            files_.warnings.push_back(fmt::format("{}: unknown settings, which have no effect: {}",
                                                  (dir_ / kConfig).string(), fmt::join(unknown, ", ")));
        read_vocabulary();
        if (const auto tokens = read_object(dir_ / kSpecial)) {
            read_special_tokens(*tokens, dir_ / kSpecial, files_.settings);
            read_more_special_tokens(*tokens, dir_ / kSpecial, added_);
        }
        read_config(config, kind);
        if (const auto tokens = read_object(dir_ / kAdded)) read_added_tokens(*tokens, dir_ / kAdded, added_);
        files_.settings.added_tokens = added_.take();
        return std::move(files_);
    }

private:
    void read_vocabulary() {
        if (const auto object = read_object(dir_ / kTokenizer)) {
            auto read = read_tokenizer_json(*object, dir_ / kTokenizer);
            files_.settings = std::move(read.settings);
            files_.vocabulary = std::move(read.vocabulary);
            files_.vocabulary_file = dir_ / kTokenizer;
            for (AddedToken& token : files_.settings.added_tokens) added_.add(std::move(token));
            json_normalizer_ = read.has_plain_normalizer;
            has_json_ = true;
        } else if (std::error_code ignored; fs::exists(dir_ / kVocabulary, ignored)) {
            files_.vocabulary_file = dir_ / kVocabulary;
            files_.vocabulary = read_vocabulary_text(files_.vocabulary_file);
        } else {
            throw InputError(dir_, "", "has no vocabulary, expected vocab.txt or tokenizer.json");
        }
    }

    void read_config(const json& config, const TokenizerClass& kind) {
        auto& settings = files_.settings;
        const auto file = dir_ / kConfig;
        if (settings.unigram)
            keep_unigrams(kind);
        else if (has_json_ && kind.is_generic())
            keep_tokenizer_json(config);
        else if (!has_json_ || json_normalizer_.value_or(true))
            take_bert_settings(config);
        else
            files_.warnings.push_back(
                fmt::format("{}: its normalizer counts, a Sequence; do_lower_case and strip_accents "
                            "of {} have no effect",
                            (dir_ / kTokenizer).string(), kConfig));
        warn_of_parts(kind);
        read_key(config, "max_input_chars_per_word", file, settings.max_input_chars_per_word);
        read_key(config, "wordpieces_prefix", file, settings.continuing_subword_prefix);
        read_special_tokens(config, file, settings);
        read_more_special_tokens(config, file, added_);
        read_added_tokens_decoder(config, file, added_);
        settings.has_token_types = has_token_types(config, kind, file);
        read_truncation_side(config, file, settings.truncation_side);
        read_model_max_length(config, file, settings.model_max_length);
    }

    // None of the classes here but the generic one has such a model: what the tokenizers package makes of the file
    // counts.
    void keep_unigrams(const TokenizerClass& kind) {
        if (!kind.is_generic())
            files_.warnings.push_back(fmt::format("{}: counts alone, since its model is Unigram; {} is for another one",
                                                  (dir_ / kTokenizer).string(), kind.name));
        auto& special = files_.settings.special_tokens;
        const TemplatePiece first{TemplatePiece::Kind::first, 0}, second{TemplatePiece::Kind::second, 1};
        if (!special) special = Template{{first}, {first, second}};
    }

    // The generic class doesn't know BERT's settings.
    void keep_tokenizer_json(const json& config) {
        const auto lower = config.find("do_lower_case");
        if (lower == config.end() || !lower->is_boolean() || *lower == files_.settings.lower_case) return;
        files_.warnings.push_back(
            fmt::format("{}: counts, with lower case {}; do_lower_case of {} has no effect with its tokenizer_class",
                        (dir_ / kTokenizer).string(), files_.settings.lower_case, kConfig));
    }

    // BertTokenizer goes by its own settings, with their defaults, where tokenizer.json has others.
    void take_bert_settings(const json& config) {
        auto& settings = files_.settings;
        const auto file = dir_ / kConfig;
        const TokenizerSettings in_json = settings;
        const TokenizerSettings defaults;
        settings.lower_case = defaults.lower_case;
        settings.strip_accents = defaults.strip_accents;
        settings.tokenize_chinese_chars = defaults.tokenize_chinese_chars;
        if (!has_json_ || !json_normalizer_) settings.clean_text = defaults.clean_text;
        read_key(config, "do_lower_case", file, settings.lower_case);
        read_key(config, "strip_accents", file, settings.strip_accents);
        read_key(config, "tokenize_chinese_chars", file, settings.tokenize_chinese_chars);
        read_key(config, "clean_text", file, settings.clean_text);
        if (!has_json_) return;
        if (!json_normalizer_)
            files_.warnings.push_back(
                fmt::format("{}: has no normalizer; text is normalised as {} says (do_lower_case {})",
                            (dir_ / kTokenizer).string(), kConfig, settings.lower_case));
        else
            warn_of_others(config, in_json);
    }

    void warn_of_others(const json& config, const TokenizerSettings& in_json) {
        const auto& settings = files_.settings;
        const auto warn = [&](const char* in_file, const char* key, const std::string& there, const std::string& here) {
            if (there == here) return;
            files_.warnings.push_back(fmt::format("{} says {} {}, {} {}; {} counts", (dir_ / kTokenizer).string(),
                                                  in_file, there, kConfig,
                                                  config.contains(key) ? fmt::format("has {} {}", key, here)
                                                                       : fmt::format("lacks {} ({} then)", key, here),
                                                  here));
        };
        const auto text = [](const std::optional<bool>& value) {
            return value ? fmt::format("{}", *value) : std::string("null");
        };
        warn("lowercase", "do_lower_case", text(in_json.lower_case), text(settings.lower_case));
        warn("strip_accents", "strip_accents", text(in_json.strip_accents), text(settings.strip_accents));
        warn("handle_chinese_chars", "tokenize_chinese_chars", text(in_json.tokenize_chinese_chars),
             text(settings.tokenize_chinese_chars));
    }

    // BertTokenizer of transformers 5 replaces these parts of tokenizer.json by BERT's own.
    void warn_of_parts(const TokenizerClass& kind) {
        if (!has_json_ || files_.settings.unigram) return;
        auto& settings = files_.settings;
        const auto file = (dir_ / kTokenizer).string();
        if (!kind.is_generic() && settings.pre_tokenizer != PreTokenizer::bert)
            files_.warnings.push_back(
                fmt::format("{}: its pre_tokenizer is used; transformers 5 has BERT's instead", file));
        if (!settings.special_tokens) {
            if (kind.is_generic())
                throw InputError(dir_ / kTokenizer, "post_processor",
                                 "is missing, so that no special tokens stand around a text; expected "
                                 "TemplateProcessing or BertProcessing");
            return;  // BERT's
        }
        if (kind.is_generic()) return;
        const auto bert = bert_template(settings.cls_token, settings.sep_token);
        const auto differs = [](const TemplatePieces& a, const TemplatePieces& b) {
            return !std::ranges::equal(a, b, [](const TemplatePiece& x, const TemplatePiece& y) {
                return x.kind == y.kind && x.type_id == y.type_id && x.token == y.token;
            });
        };
        if (differs(settings.special_tokens->single, bert.single) || differs(settings.special_tokens->pair, bert.pair))
            files_.warnings.push_back(
                fmt::format("{}: its post_processor is used; transformers 5 has BERT's instead", file));
    }

    const fs::path& dir_;
    TokenizerFiles files_;
    AddedTokens added_;
    bool has_json_ = false;
    std::optional<bool> json_normalizer_;  // as in TokenizerJson
};

}  // namespace

TokenizerFiles read_tokenizer_files(const fs::path& dir) { return Reader(dir).read(); }

Tokenizer Tokenizer::load(const fs::path& dir, std::vector<std::string>* warnings) {
    TokenizerFiles files = read_tokenizer_files(dir);
    if (warnings) warnings->insert(warnings->end(), files.warnings.begin(), files.warnings.end());
    try {
        return Tokenizer(files.vocabulary, std::move(files.settings));
    } catch (const Error& error) {
        throw InputError(files.vocabulary_file, "", error.what());
    }
}

}  // namespace moebert
