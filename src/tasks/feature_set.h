// A job's examples as a model takes them, of any task, and what its logits on them are worth.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tasks/class_report.h"
#include "tasks/data_options.h"
#include "tasks/metrics.h"
#include "tasks/squad_features.h"

namespace moebert {

struct Questions {
    QuestionSet set;
    std::vector<Window> windows;  // window i is feature i
};

struct FeatureSet {
    std::filesystem::path file;  // the dataset's, named in errors
    std::vector<Feature> features;
    Labels labels;
    bool is_labelled = false;
    std::optional<Questions> questions;     // to evaluate question answering
    std::string suffix = {};                // of its metrics' names: _mm for MNLI's mismatched part
    std::vector<std::string> columns = {};  // of a table without labels

    // What counts as an example in results: a sentence, a pair or a question.
    std::int64_t examples() const { return questions ? std::ssize(questions->set.questions) : std::ssize(features); }
};

// Renumbers the labels to the model's order, where it has the same names in another one: its head then keeps what it
// has learnt.
void take_label_order(FeatureSet& set, const Labels& model_labels);

// For training every feature has a label or span, and questions are not kept; what has none is left out. For
// evaluation every example is there.
enum class FeatureUse { training, evaluation };

WindowOptions window_options(const DataOptions& options, FeatureUse use, const TextInput& input);

// The datasets of a split: see load_datasets and load_questions. `labels` are the model's; without them the options
// say what the task is. Throws a UsageError when task and model are of different kinds.
std::vector<FeatureSet> load_feature_sets(const DataOptions& options, Split split, FeatureUse use,
                                          const std::optional<Labels>& labels, const TextInput& input,
                                          const Sink& sink);

// The same of labelled data; an InputError where there are no labels.
std::vector<FeatureSet> load_labelled(const DataOptions& options, Split split, FeatureUse use,
                                      const std::optional<Labels>& labels, const TextInput& input, const Sink& sink);

std::int64_t count_examples(const std::vector<FeatureSet>& sets);
// Texts that were longer than max_seq_length; none for questions, whose contexts become several windows.
std::int64_t count_cut(const std::vector<FeatureSet>& sets);

// Where each feature's logits begin among all, one after the other, and after them the end: a model gives (labels) of
// a feature, or for question answering (tokens, 2).
std::vector<std::size_t> logit_starts(std::span<const Feature> features, const ModelConfig& config);

// `logits` are (examples, labels), or (tokens, 2) of all windows; `labels` the model's.
struct Scores {
    Metrics metrics;                      // the task's, and the mean loss but for question answering
    std::vector<QuestionAnswer> answers;  // question answering's
    std::optional<ClassReport> report;    // of classes that are no known task's
};
Scores score_logits(const FeatureSet& set, const Labels& labels, std::span<const float> logits,
                    const DataOptions& options);

}  // namespace moebert
