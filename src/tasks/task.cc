#include "tasks/task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "core/nearest.h"
#include "tasks/class_report.h"
#include "tasks/labels.h"

namespace moebert {
namespace {

using Names = std::vector<std::string>;

Labels classes(Names names) { return {ProblemType::classification, std::move(names)}; }

// Label names in the order of Hugging Face's GLUE data sets; columns and spellings of the official files.
std::vector<TaskInfo> make_glue_tasks() {
    const Names zero_one = {"0", "1"};
    const Names inference = {"entailment", "not_entailment"};
    const Names inference_3 = {"entailment", "neutral", "contradiction"};
    const Names paraphrase = {"accuracy", "f1", "combined_score"};
    const Names similarity = {"pearson", "spearmanr", "combined_score"};
    const Labels score{ProblemType::regression, {"score"}};
    return {
        {"cola",
         "CoLA",
         classes({"unacceptable", "acceptable"}),
         zero_one,
         {"matthews_correlation"},
         "matthews_correlation",
         "sentence",
         {},
         "label"},
        {"sst2",
         "SST-2",
         classes({"negative", "positive"}),
         zero_one,
         {"accuracy"},
         "accuracy",
         "sentence",
         {},
         "label"},
        {"mrpc", "MRPC", classes({"not_equivalent", "equivalent"}), zero_one, paraphrase, "combined_score", "#1 String",
         "#2 String", "Quality"},
        {"stsb", "STS-B", score, {}, similarity, "combined_score", "sentence1", "sentence2", "score"},
        {"qqp", "QQP", classes({"not_duplicate", "duplicate"}), zero_one, paraphrase, "combined_score", "question1",
         "question2", "is_duplicate"},
        {"mnli",
         "MNLI",
         classes(inference_3),
         inference_3,
         {"accuracy"},
         "accuracy",
         "sentence1",
         "sentence2",
         "gold_label"},
        {"qnli", "QNLI", classes(inference), inference, {"accuracy"}, "accuracy", "question", "sentence", "label"},
        {"rte", "RTE", classes(inference), inference, {"accuracy"}, "accuracy", "sentence1", "sentence2", "label"},
        {"wnli",
         "WNLI",
         classes({"not_entailment", "entailment"}),
         zero_one,
         {"accuracy"},
         "accuracy",
         "sentence1",
         "sentence2",
         "label"},
    };
}

// "SST-2" is "sst2".
std::string plain(std::string_view name) {
    std::string kept;
    for (const char c : name) {
        if (c != '-' && c != '_') kept += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return kept;
}

[[noreturn]] void fail_unknown_task(std::string_view name) {
    Names names;
    for (const TaskInfo& task : glue_tasks()) names.push_back(task.name);
    names.insert(names.end(), {"squad", "squad_v2"});
    const auto nearest = nearest_name(plain(name), names);
    fail_usage("unknown task \"{}\", expected one of {}{}", name, fmt::join(names, ", "),
               nearest.empty() ? "" : fmt::format("; the nearest is {}", nearest));
}

const char* name_of(ProblemType type) { return type == ProblemType::regression ? "numbers" : "classes"; }

}  // namespace

const std::vector<TaskInfo>& glue_tasks() {
    static const std::vector<TaskInfo> tasks = make_glue_tasks();
    return tasks;
}

bool is_squad_v2(std::string_view name) { return plain(name) == "squadv2"; }

bool is_squad(std::string_view name) { return plain(name) == "squad" || is_squad_v2(name); }

const TaskInfo& find_task(std::string_view name) {
    const auto found = std::ranges::find(glue_tasks(), plain(name), &TaskInfo::name);
    if (found == glue_tasks().end()) fail_unknown_task(name);
    return *found;
}

std::vector<std::string> default_metrics(ProblemType problem_type) {
    if (problem_type == ProblemType::regression) return {"mse", "pearson", "spearmanr"};
    std::vector<std::string> names = {"accuracy"};
    names.insert(names.end(), class_average_names().begin(), class_average_names().end());
    return names;
}

std::string default_best_metric(ProblemType problem_type) {
    return problem_type == ProblemType::regression ? "pearson" : "accuracy";
}

Labels labels_of(const ModelConfig& config) {
    if (config.problem_type == ProblemType::regression) return {config.problem_type, {"score"}, true};
    return {config.problem_type, config.label_names, true};
}

void match_labels(Dataset& dataset, const Labels& model_labels) {
    if (!dataset.is_labelled()) {
        dataset.labels = model_labels;
        return;
    }
    const Labels& own = dataset.labels;
    if (own.problem_type != model_labels.problem_type) {
        throw InputError(dataset.file, "",
                         fmt::format("has {} as labels, the model predicts {}", name_of(own.problem_type),
                                     name_of(model_labels.problem_type)));
    }
    if (own.problem_type == ProblemType::regression || own.names == model_labels.names) return;
    const auto found = places_among(model_labels.names, own.names);
    if (!found)
        throw InputError(dataset.file, "",
                         fmt::format("has the labels {}, but the model's are {}", fmt::join(own.names, ", "),
                                     fmt::join(model_labels.names, ", ")));
    if (found->by_number)
        dataset.warnings.push_back(
            fmt::format("the labels {} are matched by number with the model's {}, whose names "
                        "don't tell",
                        fmt::join(own.names, ", "), fmt::join(model_labels.names, ", ")));
    for (Example& example : dataset.examples)
        example.label = static_cast<double>(found->places[static_cast<std::size_t>(*example.label)]);
    dataset.labels = model_labels;
}

}  // namespace moebert
