// tokenizer.json, as the tokenizers package writes it, where it describes a tokenizer of WordPiece or unigrams.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace moebert {

struct TokenizerJson {
    std::vector<std::string> vocabulary;  // in the order of the ids; an empty string where an id has no token
    TokenizerSettings settings;
    // The normalizer is one BertNormalizer, whose settings those of tokenizer_config.json replace in Hugging Face's
    // BertTokenizer. Absent: there is no normalizer.
    std::optional<bool> has_plain_normalizer;
};

// Throws an InputError for another model, and names each component that isn't understood.
TokenizerJson read_tokenizer_json(const nlohmann::json& object, const std::filesystem::path& file);

AddedToken read_added_token(const nlohmann::json& object, const std::filesystem::path& file, std::int32_t id);

}  // namespace moebert
