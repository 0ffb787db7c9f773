// The training-side jobs as the command line runs them: each reads a checkpoint and data, and leaves files.
// No libtorch in this header.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/sink.h"
#include "core/world.h"
#include "moe/options.h"
#include "tasks/data_options.h"
#include "train/options.h"

namespace moebert {

// Sets the number of threads (0: one a core, shared among `local_size` processes) and warns when float32 matrix
// products are far slower than the processor, which happens when libtorch finds only the reference BLAS.
void prepare_runtime(std::int64_t num_threads, const World& world, const Sink& sink);

struct JobContext {
    std::string model_name_or_path;
    DataOptions data;
    TrainOptions train;
    std::string command;  // the command line, for the model card
    World world = {};     // the processes that do the job together
};

// Fine-tunes a dense BERT. Returns what train_results.json and eval_results.json hold together.
nlohmann::json run_finetune(const JobContext& job, const Sink& sink);

struct ImportanceOptions {
    std::string split = "train";
    std::int64_t rank = 0;
    std::int64_t world_size = 1;
    std::string output_file;  // default: output_dir/importance.safetensors, with several processes
                              // importance.R-of-W.safetensors
};

template <class Visitor>
void describe(Visitor& visit, ImportanceOptions& o) {
    visit("split", o.split, "which examples to score on: train, validation or test (labels are needed)");
    visit("rank", o.rank,
          "of scores in parts, for `moebert merge-importance`: this part's number, 0 to world_size - 1; it has every "
          "world_size-th example");
    visit("world_size", o.world_size, "the number of such parts");
    visit("output_file", o.output_file, "where the scores go: .safetensors, or .pkl for the authors' format");
}

// Scores every neuron; returns a summary with the file's name.
nlohmann::json run_importance(const JobContext& job, const ImportanceOptions& options, const Sink& sink);

// Distils `job.model_name_or_path`, the teacher, into a mixture of experts.
nlohmann::json run_distill(const JobContext& job, const MoeOptions& moe, const DistillOptions& distill,
                           const Sink& sink);

// What a job of the engine that this process shares with the world's others needs; it waits for them.
Share join(const World& world);

}  // namespace moebert
