#include "text/tokenizer_files.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/json_text.h"
#include "text/utf8.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t most_tokens = 1 << 24;

std::string read_bytes(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    if (!in) throw InputError(file, "", "can't be read");
    return bytes;
}

// A JSON object; absent when the file doesn't exist.
std::optional<json> read_object(const fs::path& file) {
    std::error_code ignored;  // shows when it is read
    if (!fs::exists(file, ignored)) return std::nullopt;
    json object = json::parse(read_bytes(file), nullptr, false);
    if (!object.is_object() || !is_shallow(object))
        throw InputError(file, "", "expected a JSON object, not nested deep");
    return object;
}

template <class T>
bool has_type_of(const json& value, const T&) {
    if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
    if constexpr (std::is_same_v<T, std::string>) return value.is_string();
    if constexpr (std::is_same_v<T, json>) return value.is_object();
    return value.is_number_unsigned() && value.get<std::uint64_t>() < most_tokens;
}

// Sets `value` from the object's key when it is there and not null. Integers are counts or ids.
template <class T>
void read_key(const json& object, const char* key, const fs::path& file, T& value) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return;
    if (!has_type_of(*found, value)) {
        throw InputError(file, key, "has the value " + found->dump() + ", expected another type or range");
    }
    value = found->template get<T>();
}

void read_key(const json& object, const char* key, const fs::path& file, std::optional<bool>& value) {
    bool given = value.value_or(false);
    read_key(object, key, file, given);
    if (object.contains(key) && !object[key].is_null()) value = given;
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

AddedToken read_added_token(const json& object, const fs::path& file, std::int32_t id) {
    if (!object.is_object()) throw InputError(file, "an added token", "expected objects, found " + object.dump());
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

// A later description of the same token replaces the earlier one.
void add(std::vector<AddedToken>& tokens, AddedToken token) {
    std::erase_if(tokens, [&](const AddedToken& known) { return known.content == token.content; });
    tokens.push_back(std::move(token));
}

std::int32_t parse_id(const std::string& text, const fs::path& file) {
    const bool digits = !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) throw InputError(file, "added_tokens_decoder", "expected a token id, found \"" + text + "\"");
    return std::stoi(text);
}

// ---- vocab.txt

std::string without_trailing_space(std::string line) {
    line.erase(line.find_last_not_of(" \t\r\n") + 1);
    return line;
}

std::vector<std::string> read_vocabulary_text(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::vector<std::string> vocabulary;
    for (std::string line; std::getline(in, line);) {
        if (find_malformed_utf8(line))
            throw InputError(file, fmt::format("line {}", vocabulary.size() + 1), "isn't UTF-8");
        vocabulary.push_back(without_trailing_space(std::move(line)));
        if (vocabulary.size() > most_tokens)
            throw InputError(file, "", fmt::format("has more than {} lines", most_tokens));
    }
    if (in.bad() || !in.eof()) throw InputError(file, "", "can't be read");
    return vocabulary;
}

// ---- tokenizer.json

// The object under a key; it must be of one of the types that BERT uses, because another one cuts text otherwise.
json component(const json& object, const char* key, const fs::path& file, std::initializer_list<const char*> types) {
    json part = object.value(key, json());
    if (!part.is_object()) throw InputError(file, key, fmt::format("expected an object of type {}", *types.begin()));
    const std::string type = part.contains("type") && part["type"].is_string() ? part["type"].get<std::string>() : "";
    for (const char* known : types) {
        if (type == known) return part;
    }
    throw InputError(file, key, fmt::format("has the type \"{}\", expected {}", type, *types.begin()));
}

std::size_t token_id(const json& id, const std::string& token, std::size_t limit, const fs::path& file) {
    if (id.is_number_unsigned() && id.get<std::uint64_t>() < limit) return id.get<std::size_t>();
    throw InputError(file, "model.vocab",
                     fmt::format("\"{}\" has the id {}, expected 0 to {}", token, id.dump(), limit - 1));
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
        if (!vocabulary[index].empty()) {
            throw InputError(file, "model.vocab",
                             fmt::format("\"{}\" and \"{}\" have the same id {}", vocabulary[index], token, index));
        }
        vocabulary[index] = token;
    }
    return vocabulary;
}

void read_normalizer(const json& normalizer, const fs::path& file, TokenizerSettings& settings) {
    read_key(normalizer, "clean_text", file, settings.clean_text);
    read_key(normalizer, "handle_chinese_chars", file, settings.tokenize_chinese_chars);
    read_key(normalizer, "strip_accents", file, settings.strip_accents);
    read_key(normalizer, "lowercase", file, settings.lower_case);
}

void read_model(const json& model, const fs::path& file, TokenizerSettings& settings) {
    read_key(model, "unk_token", file, settings.unk_token);
    read_key(model, "continuing_subword_prefix", file, settings.continuing_subword_prefix);
    read_key(model, "max_input_chars_per_word", file, settings.max_input_chars_per_word);
}

void read_tokenizer_json(const json& object, const fs::path& file, TokenizerFiles& files) {
    const json model = component(object, "model", file, {"WordPiece"});
    component(object, "pre_tokenizer", file, {"BertPreTokenizer"});
    read_normalizer(component(object, "normalizer", file, {"BertNormalizer"}), file, files.settings);
    read_model(model, file, files.settings);
    files.vocabulary = vocabulary_of(model, file);
    files.vocabulary_file = file;
    for (const json& token : object.value("added_tokens", json::array())) {
        add(files.settings.added_tokens, read_added_token(token, file, -1));
    }
}

// ---- tokenizer_config.json

void read_tokenizer_config(const json& config, const fs::path& file, TokenizerSettings& settings) {
    read_key(config, "do_lower_case", file, settings.lower_case);
    read_key(config, "strip_accents", file, settings.strip_accents);
    read_key(config, "tokenize_chinese_chars", file, settings.tokenize_chinese_chars);
    read_key(config, "clean_text", file, settings.clean_text);
    read_key(config, "max_input_chars_per_word", file, settings.max_input_chars_per_word);
    read_key(config, "wordpieces_prefix", file, settings.continuing_subword_prefix);
    read_special_tokens(config, file, settings);
    json added = json::object();
    read_key(config, "added_tokens_decoder", file, added);
    for (const auto& [id, token] : added.items()) {
        add(settings.added_tokens, read_added_token(token, file, parse_id(id, file)));
    }
}

}  // namespace

TokenizerFiles read_tokenizer_files(const fs::path& dir) {
    TokenizerFiles files;
    if (const auto object = read_object(dir / "tokenizer.json")) {
        read_tokenizer_json(*object, dir / "tokenizer.json", files);
    } else if (std::error_code ignored; fs::exists(dir / "vocab.txt", ignored)) {
        files.vocabulary_file = dir / "vocab.txt";
        files.vocabulary = read_vocabulary_text(files.vocabulary_file);
    } else {
        throw InputError(dir, "", "has no vocabulary, expected vocab.txt or tokenizer.json");
    }
    if (const auto map = read_object(dir / "special_tokens_map.json")) {
        read_special_tokens(*map, dir / "special_tokens_map.json", files.settings);
    }
    if (const auto config = read_object(dir / "tokenizer_config.json")) {
        read_tokenizer_config(*config, dir / "tokenizer_config.json", files.settings);
    }
    return files;
}

Tokenizer Tokenizer::load(const fs::path& dir) {
    TokenizerFiles files = read_tokenizer_files(dir);
    try {
        return Tokenizer(files.vocabulary, std::move(files.settings));
    } catch (const Error& error) {
        throw InputError(files.vocabulary_file, "", error.what());
    }
}

}  // namespace moebert
