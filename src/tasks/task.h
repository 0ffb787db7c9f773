// What a task is: its examples, its labels, its metrics. The nine GLUE tasks are known by name.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/model_config.h"

namespace moebert {

struct Example {
    std::string sentence1;
    std::optional<std::string> sentence2;
    std::optional<double> label;  // the class's index, or the value of a regression; finite
};

// What the label of an example means.
struct Labels {
    ProblemType problem_type = ProblemType::classification;
    std::vector<std::string> names;  // in the order of the logits; {"score"} for regression
    // A model's or a task's: where no name is a number, files may have their numbers instead, as Hugging Face's
    // `datasets` writes classes.
    bool have_numbers = false;

    bool operator==(const Labels&) const = default;
};

// Columns of a table beside the texts, which go with the predictions.
struct KeptColumns {
    std::vector<std::string> names;
    std::vector<std::vector<std::string>> rows;  // of each example, values as JSON; empty where there is none
};

struct Dataset {
    std::string name;            // "train", "validation", "validation_mismatched", "test", or the file's stem
    std::filesystem::path file;  // named in errors
    std::vector<Example> examples;
    Labels labels;  // no names for classification without labels

    std::size_t skipped_rows = 0;                   // malformed ones that were left out, as read_glue_file says
    std::vector<std::string> guessed_columns = {};  // its sentences', where no name says which they are
    std::vector<std::string> columns = {};          // of a table without labels
    std::vector<std::string> warnings = {};         // how the file was read, where it could be read otherwise

    KeptColumns kept = {};  // of data that is read without labels

    // A dataset is labelled as a whole or not at all.
    bool is_labelled() const { return !examples.empty() && examples.front().label.has_value(); }
};

struct TaskInfo {
    std::string name;                       // "sst2"
    std::string folder;                     // "SST-2", in the official download
    Labels labels;                          // names in Hugging Face's order
    std::vector<std::string> label_values;  // how the files spell them, in the same order; empty for regression
    std::vector<std::string> metrics;       // for compute_metrics
    std::string best_metric;                // which of them chooses the best checkpoint; greater is better
    std::string sentence1_column;           // in files with a header
    std::optional<std::string> sentence2_column;
    std::string label_column;
};

const std::vector<TaskInfo>& glue_tasks();

// By name in any case ("SST-2", "sst2" and "sst_2" are one). Throws a UsageError with the known names and the nearest
// one.
const TaskInfo& find_task(std::string_view name);

// The tasks of questions (tasks/squad.h), by name as above: "squad", "SQuAD_v2".
bool is_squad(std::string_view name);     // either version
bool is_squad_v2(std::string_view name);  // questions may have no answer

// The metrics of data that is no known task: accuracy and averages over classes, or mse, pearson and spearmanr.
std::vector<std::string> default_metrics(ProblemType problem_type);
std::string default_best_metric(ProblemType problem_type);

// A model's.
Labels labels_of(const ModelConfig& config);

// Renumbers the labels to a model's order of the same names, in any case; where the names of one side say nothing (as
// Hugging Face's placeholders LABEL_0, ...), labels are matched by number, which is a warning of the dataset's. Throws
// an Error that names both lists when they don't fit.
void match_labels(Dataset& dataset, const Labels& model_labels);

}  // namespace moebert
