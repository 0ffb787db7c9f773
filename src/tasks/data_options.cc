#include "tasks/data_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "tasks/labels.h"
#include "tasks/squad_metrics.h"
#include "tasks/table.h"

namespace moebert {
namespace {

const std::string& file_of(const DataOptions& options, Split split) {
    switch (split) {
        case Split::train:
            return options.train_file;
        case Split::validation:
            return options.validation_file;
        case Split::test:
            return options.test_file;
    }
    return options.test_file;
}

std::optional<std::int64_t> limit_of(const DataOptions& options, Split split) {
    const auto checked = [](const char* name, std::optional<std::int64_t> limit) {
        if (limit && *limit < 1) fail_usage("{}: {} given; expected at least 1", name, *limit);
        return limit;
    };
    switch (split) {
        case Split::train:
            return checked("max_train_samples", options.max_train_samples);
        case Split::validation:
            return checked("max_eval_samples", options.max_eval_samples);
        case Split::test:
            return checked("max_predict_samples", options.max_predict_samples);
    }
    return {};
}

// The official name of squad's or squad_v2's file: "dev-v2.0.json".
std::string squad_file_name(const DataOptions& options, Split split) {
    if (split == Split::test)
        fail_usage("--task_name {}: the test split isn't public; give --test_file", options.task_name);
    return fmt::format("{}-v{}.json", split == Split::train ? "train" : "dev",
                       is_squad_v2(options.task_name) ? "2.0" : "1.1");
}

std::filesystem::path questions_file(const DataOptions& options, Split split) {
    if (const auto& file = file_of(options, split); !file.empty()) return file;
    if (!is_squad(options.task_name))
        fail_usage("no {0} data: give --{0}_file, or --task_name squad with --data_dir", to_string(split));
    if (options.data_dir.empty())
        fail_usage("--task_name {}: --{}_file or --data_dir is needed (nothing is downloaded)", options.task_name,
                   to_string(split));
    const auto name = squad_file_name(options, split);
    const std::filesystem::path folder = options.data_dir;
    const auto below = folder / "SQuAD" / name;
    return std::filesystem::exists(below) ? below : folder / name;
}

template <class Item>
void cut(std::vector<Item>& items, std::optional<std::int64_t> limit) {
    if (limit && std::ssize(items) > *limit) items.resize(static_cast<std::size_t>(*limit));
}

void warn_of_answers(const QuestionSet& set, const Sink& sink) {
    if (!set.mended.empty())
        sink.warning(
            "{}: {} answers are not at their answer_start but elsewhere, once: taken from there (the first: {})",
            set.file.string(), set.mended.size(), set.mended.front());
    if (!set.unplaced.empty())
        sink.warning("{}: {} answers are not to be found where they should be: left out of training (the first: {})",
                     set.file.string(), set.unplaced.size(), set.unplaced.front());
}

void check_official(const TaskInfo& task, const ReadOptions& options) {
    if (options.columns != ColumnNames())
        fail_usage("text_column_names, label_column_name: the official files of {} have columns of their own",
                   task.name);
}

// The official files are .tsv; others are as `datasets` writes them.
Dataset read_task_file(const TaskInfo& task, const std::filesystem::path& file, const ReadOptions& options) {
    const auto format = format_of(file);
    if (format == ".tsv" || format.empty() || format == ".txt") {
        check_official(task, options);
        return read_glue_file(task, file, options.use);
    }
    auto labels = task.labels;
    labels.have_numbers = true;
    return read_examples(file, labels, options);
}

std::optional<ProblemType> wanted_type(const DataOptions& options) {
    if (options.problem_type.empty()) return std::nullopt;
    if (options.problem_type == "regression") return ProblemType::regression;
    if (options.problem_type == "single_label_classification") return ProblemType::classification;
    fail_usage("problem_type: \"{}\" given; expected regression or single_label_classification", options.problem_type);
}

// "a,b"
std::vector<std::string> split_names(const std::string& names) {
    std::vector<std::string> out;
    for (std::size_t begin = 0; !names.empty() && begin <= names.size();) {
        const auto end = std::min(names.find(',', begin), names.size());
        out.push_back(names.substr(begin, end - begin));
        begin = end + 1;
    }
    return out;
}

ReadOptions read_options(const DataOptions& options, LabelUse use) {
    return {use, column_names(options), wanted_type(options)};
}

// The type that is wanted can only be what model or task have.
void check_type(const DataOptions& options, ProblemType type, const std::string& whose) {
    if (const auto wanted = wanted_type(options); wanted && *wanted != type)
        fail_usage("problem_type: {} given; {} has another", options.problem_type, whose);
}

std::vector<Dataset> read_split(const DataOptions& options, Split split, const std::optional<Labels>& labels,
                                LabelUse use) {
    const auto& file = file_of(options, split);
    const auto how = read_options(options, use);
    if (labels) check_type(options, labels->problem_type, "the model");
    if (!file.empty() && options.task_name.empty()) return {read_examples(file, labels, how)};
    if (!options.task_name.empty())
        check_type(options, find_task(options.task_name).labels.problem_type, options.task_name);
    if (!file.empty()) return {read_task_file(find_task(options.task_name), file, how)};
    if (options.task_name.empty())
        fail_usage("no {0} data: give --{0}_file, or --task_name with --data_dir", to_string(split));
    const auto& task = find_task(options.task_name);
    if (options.data_dir.empty())
        fail_usage("--task_name {}: --data_dir is needed, the folder of the task's files (nothing is downloaded)",
                   task.name);
    check_official(task, how);
    return read_glue(task, options.data_dir, split, use);
}

// What is likely to be a mistake in a file whose labels say what the task is.
void warn_of_labels(const Dataset& dataset, const Sink& sink) {
    const auto& names = dataset.labels.names;
    if (dataset.labels.problem_type != ProblemType::classification) return;
    if (names.size() == 1)
        sink.warning("{}: all labels are \"{}\": there is nothing to learn", dataset.file.string(), names.front());
    const auto has = [&](const char* name) { return std::ranges::find(names, name) != names.end(); };
    if (names.size() > 2 && has("-1") && has("0"))
        sink.warning("{}: -1 is taken for a class like {}; `datasets` writes it where there is no label",
                     dataset.file.string(), names.back());
    if (const auto odd = odd_among_numbers(names))
        sink.warning("{}: labels are taken for classes since \"{}\" is no finite number; most others are fractions",
                     dataset.file.string(), *odd);
}

// Of a file whose first line may be a text instead.
const char* has_header(const std::filesystem::path& file) {
    const auto format = format_of(file);
    return format == ".csv" || format == ".tsv" ? " (the first line is a header)" : "";
}

}  // namespace

ColumnNames column_names(const DataOptions& options) {
    auto texts = split_names(options.text_column_names);
    if (texts.size() > 2 || std::ranges::find(texts, "") != texts.end())
        fail_usage("text_column_names: \"{}\" given; expected the name of one column, or of two with a comma between",
                   options.text_column_names);
    return {std::move(texts), options.label_column_name};
}

void warn_of_reading(const Dataset& dataset, const Sink& sink) {
    if (!dataset.guessed_columns.empty())
        sink.warning("{}: no column is called sentence1; sentences are taken from \"{}\"{}", dataset.file.string(),
                     fmt::join(dataset.guessed_columns, "\" and \""), has_header(dataset.file));
    for (const auto& warning : dataset.warnings) sink.warning("{}: {}", dataset.file.string(), warning);
}

std::vector<Dataset> load_datasets(const DataOptions& options, Split split, const std::optional<Labels>& labels,
                                   const Sink& sink, LabelUse use) {
    auto datasets = read_split(options, split, labels, use);
    for (auto& dataset : datasets) {
        if (dataset.skipped_rows > 0)
            sink.warning("{}: {} rows with too few columns are left out", dataset.file.string(), dataset.skipped_rows);
        cut_to_limit(options, split, dataset);
        if (dataset.is_labelled() && labels) match_labels(dataset, *labels);
        warn_of_reading(dataset, sink);
        if (dataset.is_labelled() && !labels && options.task_name.empty()) warn_of_labels(dataset, sink);
    }
    return datasets;
}

void cut_to_limit(const DataOptions& options, Split split, Dataset& dataset) {
    cut(dataset.examples, limit_of(options, split));
}

void cut_to_limit(const DataOptions& options, Split split, QuestionSet& set) {
    cut(set.questions, limit_of(options, split));
}

DataOptions with_limit(DataOptions options, std::optional<std::int64_t> limit) {
    if (limit) options.max_train_samples = options.max_eval_samples = options.max_predict_samples = limit;
    return options;
}

DataOptions for_model(DataOptions options, const ModelConfig& config) {
    if (options.task_name.empty()) options.answers.version_2_with_negative |= config.version_2_with_negative;
    return options;
}

bool has_split(const DataOptions& options, Split split) {
    if (!file_of(options, split).empty()) return true;
    if (options.task_name.empty() || options.data_dir.empty()) return false;
    if (!is_squad(options.task_name)) return has_glue(find_task(options.task_name), options.data_dir, split);
    return split != Split::test && std::filesystem::exists(questions_file(options, split));
}

bool is_question_answering(const DataOptions& options) {
    if (!options.task_name.empty()) return is_squad(options.task_name);
    const auto& files = {options.train_file, options.validation_file, options.test_file};
    return std::ranges::any_of(files, [](const auto& file) { return is_squad_file(file); });
}

QuestionSet load_questions(const DataOptions& options, Split split, const Sink& sink) {
    auto set = read_squad(questions_file(options, split));
    cut_to_limit(options, split, set);
    warn_of_answers(set, sink);
    return set;
}

AnswerOptions answer_options(const DataOptions& options) {
    auto answers = options.answers;
    answers.version_2_with_negative |= is_squad_v2(options.task_name);
    check_options(answers);
    return answers;
}

TaskMetrics task_metrics(const DataOptions& options, ProblemType problem_type) {
    if (problem_type == ProblemType::question_answering)
        return {score_names(answer_options(options).version_2_with_negative), "f1"};
    if (!options.task_name.empty()) {
        const auto& task = find_task(options.task_name);
        if (task.labels.problem_type == problem_type) return {task.metrics, task.best_metric};
    }
    return {default_metrics(problem_type), default_best_metric(problem_type)};
}

}  // namespace moebert
