// Where the examples of a job come from; flags named as in Hugging Face's run_glue and run_qa.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/sink.h"
#include "tasks/reader.h"
#include "tasks/squad_answers.h"

namespace moebert {

struct DataOptions {
    std::string task_name;
    std::string data_dir;
    std::string train_file, validation_file, test_file;
    std::string text_column_names, label_column_name, problem_type;
    std::optional<std::int64_t> max_seq_length;
    std::optional<std::int64_t> max_train_samples, max_eval_samples, max_predict_samples;
    std::optional<std::int64_t> doc_stride;
    AnswerOptions answers;
};

template <class Visitor>
void describe(Visitor& visit, DataOptions& o) {
    visit("task_name", o.task_name,
          "GLUE task (cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte or wnli), or squad or squad_v2", {"dataset_name"});
    visit("data_dir", o.data_dir, "folder of the task's official files, or the folder above it");
    visit("train_file", o.train_file,
          ".csv, .tsv, .json or .jsonl (.gz too) with columns sentence1, sentence2 (optional) and label; with "
          "task_name a "
          ".tsv as the task's own; or questions in SQuAD's layout");
    visit("validation_file", o.validation_file, "the same, for evaluation");
    visit("test_file", o.test_file, "the same, for prediction; labels and answers are not needed");
    visit(
        "max_seq_length", o.max_seq_length,
        "longest input in tokens; longer ones are cut, long contexts into several windows. Default: what the model was "
        "trained with, or can take; finetune 128, of questions 384");
    visit("text_column_names", o.text_column_names,
          "the column with the texts, or two with a comma between for pairs; known names are found without it");
    visit("label_column_name", o.label_column_name, "the column with the labels; known names are found without it");
    visit("problem_type", o.problem_type,
          "regression or single_label_classification: what the labels of a file are (decided by their values)");
    visit("max_train_samples", o.max_train_samples, "use only the first so many training examples");
    visit("max_eval_samples", o.max_eval_samples, "use only the first so many validation examples");
    visit("max_predict_samples", o.max_predict_samples, "use only the first so many test examples");
    visit(
        "doc_stride", o.doc_stride,
        "questions: tokens that a window shares with the next (128, or a third of max_seq_length where that is less)");
    describe(visit, o.answers);
}

// The datasets of a split: one, or for MNLI's validation and test two. The split's own file is taken when given, else
// the task's official file. `labels` are the names that a file's labels must be among; without them they come from the
// file or task. Rows that a reader left out are a warning, and labels that are likely to be a mistake.
std::vector<Dataset> load_datasets(const DataOptions& options, Split split, const std::optional<Labels>& labels,
                                   const Sink& sink, LabelUse use = LabelUse::read);

// How a file was read, where it could be read otherwise.
void warn_of_reading(const Dataset& dataset, const Sink& sink);

// Checked; what is not given is empty.
ColumnNames column_names(const DataOptions& options);

// To max_train_samples, max_eval_samples or max_predict_samples.
void cut_to_limit(const DataOptions& options, Split split, Dataset& dataset);
void cut_to_limit(const DataOptions& options, Split split, QuestionSet& set);

// With `limit`, if there is one, for all splits: that of a job that uses one.
DataOptions with_limit(DataOptions options, std::optional<std::int64_t> limit);
// Without a task's name, questions may have no answer where the model was trained on such.
DataOptions for_model(DataOptions options, const ModelConfig& config);

// Whether there is data of the split: a file is given, or the task's official one is there.
bool has_split(const DataOptions& options, Split split);

// Whether the data is questions: by task_name (squad, squad_v2) or else by the layout of the files.
bool is_question_answering(const DataOptions& options);

// The questions of a split: its own file, or the official one of squad or squad_v2 below data_dir. Answers that are not
// where they should be are a warning.
QuestionSet load_questions(const DataOptions& options, Split split, const Sink& sink);

// Checked; with task_name squad_v2 questions may have no answer.
AnswerOptions answer_options(const DataOptions& options);

// The metrics to report, the one that chooses between checkpoints first in `best`.
struct TaskMetrics {
    std::vector<std::string> names;
    std::string best;
};
TaskMetrics task_metrics(const DataOptions& options, ProblemType problem_type);

}  // namespace moebert
