// What the jobs of jobs.h share.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/file.h"
#include "tasks/text_input.h"
#include "train/evaluation.h"
#include "train/jobs.h"
#include "train/model.h"
#include "train/trainer.h"

namespace moebert {

// What the validation split says of a model.
struct ValidationScores {
    Metrics metrics;
    nlohmann::json details = nlohmann::json::object();  // what is no single number: expert_load, eval_report
};

// The validation split of a training job, which may be absent; then there are no metrics.
class Validation {
public:
    Validation(const JobContext& job, const Labels& labels, const TextInput& input, const Processes& processes,
               const Sink& sink);

    // Metrics of all parts of the split, which processes share out; those of MNLI's mismatched part end in _mm. The
    // first process saves answers to questions, with the prefix "eval_", where a directory is given.
    ValidationScores evaluate(const Model& model, const std::filesystem::path& answers_directory = {}) const;

    bool empty() const { return sets_.empty(); }
    std::int64_t examples() const { return count_examples(sets_); }
    std::int64_t cut() const { return count_cut(sets_); }
    std::int64_t max_seq_length() const { return max_seq_length_; }  // of the job's inputs, in tokens
    const std::string& best_metric() const { return metrics_.best; }

private:
    // A UsageError where checkpoints are to be chosen by what is not measured.
    void check_selection(const TrainOptions& options) const;

    std::vector<FeatureSet> sets_;
    const DataOptions& data_;
    TaskMetrics metrics_;
    EvaluationOptions options_;
    std::int64_t max_seq_length_;
    const Processes& processes_;
    const Sink& sink_;
};

// Trains (`training.evaluate` is set here; the output folder is locked), and leaves model, tokenizer, options, results
// and model card in output_dir, those of the first process. The teacher's scores are written beside the student's own.
// Returns what all_results.json holds.
// training_args.json holds the options.
nlohmann::json train_and_save(const JobContext& job, TrainingJob& training, const Validation& validation,
                              const Sink& sink);

// The GPU of this process's number on its machine, where the build and the machine have GPUs and the options don't say
// otherwise.
torch::Device training_device(const JobContext& job, const Sink& sink);

// A UsageError where there are no classes whose labels could be smoothed.
void check_label_smoothing(const TrainOptions& options, ProblemType problem_type);

// Checks the options before it waits for the other processes, so that none writes before all have looked.
Processes join_processes(const JobContext& job);

// checkpoint_to_resume() of training_checkpoint.h, as the first process finds it. A UsageError where output_dir has
// what is another's, or one of the `sources`, and the run would write over it.
std::optional<std::filesystem::path> common_checkpoint(const TrainOptions& options,
                                                       const std::vector<std::filesystem::path>& sources,
                                                       const Processes& processes, const Sink& sink);

// The output folder, made and for this run alone; held by the first process.
std::unique_ptr<FolderLock> lock_output(const TrainOptions& options, const Processes& processes);

nlohmann::json with_prefix(const std::string& prefix, const Metrics& metrics);

// Every option of the job by name, as a recipe has them.
nlohmann::json options_of(const JobContext& job);

// README.md, with the metadata that Hugging Face's Hub reads: what the model is, the command and the options that made
// it, its scores.
void save_model_card(const std::filesystem::path& directory, const ModelConfig& config, const JobContext& job,
                     const nlohmann::json& options, const nlohmann::json& results);

// Scores on all the examples of `features`, batch by batch, shared out among processes.
Importance measure_importance(const Model& model, std::span<const Feature> features, std::int64_t batch_size,
                              torch::ScalarType dtype, ImportanceSource source, const Processes& processes,
                              const Sink& sink);

}  // namespace moebert
