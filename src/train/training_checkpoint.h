// A training run's checkpoints: folders checkpoint-N in its output folder, each with all that the run needs to go on as
// if it had never stopped: the model as any other checkpoint, optimizer.safetensors, trainer_state.json, and
// checksums.json of them all. A folder gets its name only when all of it is on the disk.
#pragma once

#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/sink.h"
#include "io/checkpoint.h"

namespace moebert {

struct TrainingSnapshot {
    std::int64_t step = 0;
    ModelConfig config;
    TensorMap model;
    TensorMap optimizer;   // of AdamW::tensors()
    nlohmann::json state;  // of the training loop
};

// Writes them in the background.
class CheckpointWriter {
public:
    // What a killed run left half written is removed.
    // `tokenizer_source`: what goes with the model. `limit`: how many are kept.
    CheckpointWriter(std::filesystem::path output_dir, TokenizerSource tokenizer_source,
                     std::optional<std::int64_t> limit);
    ~CheckpointWriter();

    // Waits for the one before it; what went wrong with that is thrown here, or by wait(). Only once the new one is
    // safe, those over the limit go, the oldest first; ones of later steps neither go nor count. Returns the folder
    // that it will be.
    std::filesystem::path save(TrainingSnapshot snapshot);
    void wait();

private:
    void write(const TrainingSnapshot& snapshot) const;

    std::filesystem::path output_dir_;
    TokenizerSource tokenizer_source_;
    std::optional<std::int64_t> limit_;
    std::future<void> writing_;
};

// The folders checkpoint-N, the newest first.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& output_dir);

// Where load_best_model_at_end keeps the best model so far. It stays, so that a run that is resumed has it.
std::filesystem::path best_checkpoint(const std::filesystem::path& output_dir);

// Those of an earlier run, which would be mistaken for a new run's; the best one too.
void remove_checkpoints(const std::filesystem::path& output_dir);

// An InputError unless the folder's files are those of its checksums.json, byte for byte.
void check_checkpoint(const std::filesystem::path& checkpoint);

// Where a run goes on: `wanted` itself, or with "latest" the newest checkpoint of `output_dir` that is whole; damaged
// ones are named in a warning. None without `wanted`, or when there is no checkpoint yet.
std::optional<std::filesystem::path> checkpoint_to_resume(const std::string& wanted,
                                                          const std::filesystem::path& output_dir, const Sink& sink);

// What a checkpoint has beside the model.
struct TrainingRemains {
    TensorMap optimizer;
    nlohmann::json state;
};

TrainingRemains load_training_remains(const std::filesystem::path& checkpoint);

}  // namespace moebert
