// How a model takes text: its tokenizer, and the limits that its embedding tables set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "io/model_config.h"
#include "tasks/features.h"

namespace moebert {

struct TextInput {
    Tokenizer tokenizer;
    std::int64_t max_seq_length;   // longer inputs are cut to it
    std::int64_t type_vocab_size;  // 1: the model can't tell the sentences of a pair apart
    unsigned threads = 0;          // that make features; 0: one a core
};

// Of a checkpoint directory. Without max_seq_length it is 128, or 384 for question answering, where the model has
// positions for so many. Throws a UsageError when inputs of the length given have no place in the model's table of
// positions, an InputError when the tokenizer has tokens that the model has no embedding for.
TextInput load_text_input(const std::filesystem::path& directory, const ModelConfig& config,
                          std::optional<std::int64_t> max_seq_length, std::int64_t threads = 0);

// The model of a directory that may be no checkpoint but only a tokenizer: then one with its vocabulary, and positions
// for any length.
ModelConfig read_text_config(const std::filesystem::path& directory);

// Feature i is example i. Throws an InputError for pairs where the model takes single sentences only.
std::vector<Feature> make_features(const Dataset& dataset, const TextInput& input);

}  // namespace moebert
