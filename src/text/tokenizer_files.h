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
    std::vector<std::string> warnings;      // where files contradict each other: which one counts
};

// Of tokenizer.json (or else vocab.txt), added_tokens.json, special_tokens_map.json and tokenizer_config.json those
// that are there. What a later one says counts, with the defaults of Hugging Face's BertTokenizer; tokenizer_class says
// whether it is one, and tokenizer.json alone counts for its generic class. Throws an InputError, for settings too that
// would cut text otherwise and aren't understood.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& dir);

}  // namespace moebert
