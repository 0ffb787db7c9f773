// The training-side jobs as the command line runs them: each reads a checkpoint and data, and leaves files.
// No libtorch in this header.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/sink.h"
#include "moe/options.h"
#include "tasks/data_options.h"
#include "train/options.h"

namespace moebert {

// Sets the number of threads (0: one a core) and warns when float32 matrix products are far slower than the processor,
// which happens when libtorch finds only the reference BLAS.
void prepare_runtime(std::int64_t num_threads, const Sink& sink);

struct JobContext {
    std::string model_name_or_path;
    DataOptions data;
    TrainOptions train;
    std::string command;  // the command line, for the model card
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
    visit("rank", o.rank, "this process's number, 0 to world_size - 1: it takes every world_size-th example");
    visit("world_size", o.world_size, "number of processes that share the examples");
    visit("output_file", o.output_file, "where the scores go: .safetensors, or .pkl for the authors' format");
}

// Scores every neuron; returns a summary with the file's name.
nlohmann::json run_importance(const JobContext& job, const ImportanceOptions& options, const Sink& sink);

// Distils `job.model_name_or_path`, the teacher, into a mixture of experts.
nlohmann::json run_distill(const JobContext& job, const MoeOptions& moe, const DistillOptions& distill,
                           const Sink& sink);

}  // namespace moebert
