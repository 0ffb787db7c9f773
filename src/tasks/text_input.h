// How a model takes text: its tokenizer, and the limits that its embedding tables set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "io/model_config.h"
#include "tasks/features.h"

namespace moebert {

struct TextInput {
    Tokenizer tokenizer;
    std::int64_t max_seq_length;   // longer inputs are cut to it
    std::int64_t type_vocab_size;  // 1: the model can't tell the sentences of a pair apart
};

// Of a checkpoint directory. Throws a UsageError when inputs of that length have no place in the model's table of
// positions, an InputError when the tokenizer has tokens that the model has no embedding for.
TextInput load_text_input(const std::filesystem::path& directory, const ModelConfig& config,
                          std::int64_t max_seq_length);

// Feature i is example i. Throws an InputError for pairs where the model takes single sentences only.
std::vector<Feature> make_features(const Dataset& dataset, const TextInput& input);

}  // namespace moebert
