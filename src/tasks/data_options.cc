#include "tasks/data_options.h"

#include "core/error.h"

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
    switch (split) {
        case Split::train:
            return options.max_train_samples;
        case Split::validation:
            return options.max_eval_samples;
        case Split::test:
            return options.max_predict_samples;
    }
    return {};
}

std::vector<Dataset> read_split(const DataOptions& options, Split split, const std::optional<Labels>& labels) {
    const auto& file = file_of(options, split);
    if (!file.empty() && options.task_name.empty()) return {read_examples(file, labels)};
    if (!file.empty()) return {read_glue_file(find_task(options.task_name), file)};
    if (options.task_name.empty())
        fail_usage("no {0} data: give --{0}_file, or --task_name with --data_dir", to_string(split));
    const auto& task = find_task(options.task_name);
    if (options.data_dir.empty())
        fail_usage("--task_name {}: --data_dir is needed, the folder of the task's files (nothing is downloaded)",
                   task.name);
    return read_glue(task, options.data_dir, split);
}

void cut(Dataset& dataset, std::optional<std::int64_t> limit) {
    if (!limit) return;
    if (*limit < 1) fail_usage("max samples: {} given; at least 1 is needed", *limit);
    if (std::ssize(dataset.examples) > *limit) dataset.examples.resize(static_cast<std::size_t>(*limit));
}

}  // namespace

std::vector<Dataset> load_datasets(const DataOptions& options, Split split, const std::optional<Labels>& labels,
                                   const Sink& sink) {
    auto datasets = read_split(options, split, labels);
    for (auto& dataset : datasets) {
        if (dataset.skipped_rows > 0)
            sink.warning("{}: {} rows with too few columns are left out", dataset.file.string(), dataset.skipped_rows);
        cut(dataset, limit_of(options, split));
        if (labels && dataset.is_labelled()) match_labels(dataset, *labels);
    }
    return datasets;
}

TaskMetrics task_metrics(const DataOptions& options, ProblemType problem_type) {
    if (!options.task_name.empty()) {
        const auto& task = find_task(options.task_name);
        if (task.labels.problem_type == problem_type) return {task.metrics, task.best_metric};
    }
    return {default_metrics(problem_type), default_best_metric(problem_type)};
}

}  // namespace moebert
