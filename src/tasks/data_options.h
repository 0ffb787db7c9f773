// Where the examples of a job come from; flags named as in Hugging Face's run_glue.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/sink.h"
#include "tasks/reader.h"

namespace moebert {

struct DataOptions {
    std::string task_name;
    std::string data_dir;
    std::string train_file, validation_file, test_file;
    std::int64_t max_seq_length = 128;
    std::optional<std::int64_t> max_train_samples, max_eval_samples, max_predict_samples;
};

template <class Visitor>
void describe(Visitor& visit, DataOptions& o) {
    visit("task_name", o.task_name, "GLUE task: cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte or wnli");
    visit("data_dir", o.data_dir, "folder of the task's official files, or the folder above it");
    visit("train_file", o.train_file, "csv, tsv or jsonl with sentence1, sentence2 (optional) and label");
    visit("validation_file", o.validation_file, "the same, for evaluation");
    visit("test_file", o.test_file, "the same, for prediction; labels are not needed");
    visit("max_seq_length", o.max_seq_length, "longest input in tokens; longer ones are cut");
    visit("max_train_samples", o.max_train_samples, "use only the first so many training examples");
    visit("max_eval_samples", o.max_eval_samples, "use only the first so many validation examples");
    visit("max_predict_samples", o.max_predict_samples, "use only the first so many test examples");
}

// The datasets of a split: one, or for MNLI's validation and test two. The split's own file is taken when given, else
// the task's official file. `labels` are the names that a file's labels must be among; without them they come from the
// file or task. Rows that a reader left out are a warning.
std::vector<Dataset> load_datasets(const DataOptions& options, Split split, const std::optional<Labels>& labels,
                                   const Sink& sink);

// The metrics to report, the one that chooses between checkpoints first in `best`.
struct TaskMetrics {
    std::vector<std::string> names;
    std::string best;
};
TaskMetrics task_metrics(const DataOptions& options, ProblemType problem_type);

}  // namespace moebert
