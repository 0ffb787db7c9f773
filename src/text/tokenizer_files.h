// The vocabulary and settings of a tokenizer, as a checkpoint directory holds them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace moebert {

struct TokenizerFiles {
    std::vector<std::string> vocabulary;  // in the order of the ids; an empty string where an id has no token
    TokenizerSettings settings;
    std::filesystem::path vocabulary_file;  // named in errors
};

// Of vocab.txt, tokenizer.json, special_tokens_map.json and tokenizer_config.json those that are there; what a later
// one says counts, but for the vocabulary, which is tokenizer.json's if it exists. Throws an InputError.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& dir);

}  // namespace moebert
