// A checkpoint directory in Hugging Face's layout: config.json and the weights, dense or mixture of experts.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/model_config.h"
#include "io/tensor.h"

namespace moebert {

struct TensorSpec {
    std::string name;
    Shape shape;
    DType dtype = DType::f32;
    bool head = false;  // may be missing from a file; it is then to be initialised
};

// The names and shapes of a model, in the order of its layers: the one place that knows them.
std::vector<TensorSpec> tensor_table(const ModelConfig& config);

// Throws an InputError unless it is a folder; what looks like the name of a model on the Hub is told how to get it.
void check_model_folder(const std::filesystem::path& directory);

// config.json of a folder that is checked so.
ModelConfig load_model_config(const std::filesystem::path& directory);

struct Checkpoint {
    ModelConfig config;
    TensorMap tensors;                 // exactly the table's names, without `missing`; floats as f32
    std::vector<std::string> missing;  // head tensors to be initialised: the files lack them, or (with `adapt`) have
                                       // them for another number of labels
    std::vector<std::string> unused;   // tensors of the files that the model has no place for (cls.*, position_ids)
    std::filesystem::path directory;
};

// Reads config.json and the first of model.safetensors, model.safetensors.index.json, pytorch_model.bin,
// pytorch_model.bin.index.json. Names with or without `bert.`, and the old gamma/beta, are understood. A tensor that
// is missing (and no head), misshapen or of a layer that config.json doesn't have is an InputError.
Checkpoint load_checkpoint(const std::filesystem::path& directory);

// `adapt` may change labels and problem type after config.json is read and before the tensors are matched; a head
// for another number of labels then counts as missing.
Checkpoint load_checkpoint(const std::filesystem::path& directory, const std::function<void(ModelConfig&)>& adapt);

// One whose head is there, dense or mixture of experts; a missing one is an Error that says to fine-tune first.
Checkpoint load_finetuned(const std::filesystem::path& directory);

// The tokenizer that goes with a model: its folder (empty: none), and the length that the model was trained with, in
// tokens; absent: the folder says it, if it is known.
struct TokenizerSource {
    std::filesystem::path folder;
    std::optional<std::int64_t> max_seq_length = {};
};

// Writes config.json, model.safetensors and a tokenizer, if there is one, as a whole: a directory that has a
// config.json has what belongs to it. Creates the directory. Throws an Error when the tensors are not those of
// tensor_table(config).
void save_checkpoint(const std::filesystem::path& directory, const ModelConfig& config, const TensorMap& tensors,
                     const TokenizerSource& tokenizer = {});

// Files of a checkpoint, of which config.json is the last.
FileGroup checkpoint_files(const std::filesystem::path& directory);

// config.json alone, and with others.
void save_config(const std::filesystem::path& directory, const ModelConfig& config);
void add_config(const ModelConfig& config, FileGroup& to);

// vocab.txt, tokenizer.json, added_tokens.json, special_tokens_map.json and tokenizer_config.json, those that are
// there; of another tokenizer, none stay. The length becomes tokenizer_config.json's model_max_length, as other tools
// read it. `directory` is the one that `to` is for.
void add_tokenizer_files(const TokenizerSource& from, const std::filesystem::path& directory, FileGroup& to);

// Of names, types, shapes and bytes of the tensors: equal for equal weights, whatever file they came from.
std::string checkpoint_digest(const Checkpoint& checkpoint);

}  // namespace moebert
