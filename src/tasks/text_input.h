// How a model takes text: its tokenizer, and the limits that its embedding tables set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "core/sink.h"
#include "io/model_config.h"
#include "tasks/features.h"

namespace moebert {

struct TextInput {
    Tokenizer tokenizer;
    std::int64_t max_seq_length;   // in tokens; longer inputs are cut to it
    std::int64_t type_vocab_size;  // embeddings of token types; 1: the sentences of a pair can't be told apart
    unsigned threads = 0;          // that make features; 0: one per core
    std::int64_t vocab_size = std::numeric_limits<std::int64_t>::max();  // embeddings of tokens
};

// Of a checkpoint directory. Without max_seq_length it is the length that the model was trained with, which is the
// tokenizer's model_max_length; where that isn't known, what the model has positions for, but 384 at most for question
// answering, which cuts no text. What the tokenizer's files leave to choose is a warning. Throws a UsageError when
// inputs of the length given have no place in the model's table of positions.
TextInput load_text_input(const std::filesystem::path& directory, const ModelConfig& config,
                          std::optional<std::int64_t> max_seq_length, std::int64_t threads = 0, const Sink& sink = {});

// The usual length of training, where the model has positions for it: 128, or 384 for question answering.
std::int64_t usual_length(const ModelConfig& config);

// The model of a directory that may be no checkpoint but only a tokenizer: then one with its vocabulary, and positions
// for any length.
ModelConfig read_text_config(const std::filesystem::path& directory);

// Feature i is example i. Throws an InputError for pairs where the model takes single sentences only, and for a token
// that the model has no embedding for.
std::vector<Feature> make_features(const Dataset& dataset, const TextInput& input);

// An InputError naming `file` where the model can't tell the sentences of a pair apart, as the tokenizer does.
void check_pairs(const TextInput& input, const std::filesystem::path& file);

// An InputError naming `file` for a text without tokens, or a token that the model has no embedding for.
void check_tokens(std::span<const Feature> features, const TextInput& input, const std::filesystem::path& file);

// How many texts were longer than max_seq_length.
std::int64_t count_cut(std::span<const Feature> features);

// Says it, if there are any.
void warn_of_cut(std::span<const Feature> features, const TextInput& input, const std::filesystem::path& file,
                 const Sink& sink);

}  // namespace moebert
