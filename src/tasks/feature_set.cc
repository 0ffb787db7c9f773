#include "tasks/feature_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "tasks/labels.h"
#include "tasks/squad_metrics.h"

namespace moebert {
namespace {

// The outputs of question answering are start and end.
Labels question_labels() { return {ProblemType::question_answering, {"LABEL_0", "LABEL_1"}}; }

FeatureSet question_features(const DataOptions& options, Split split, FeatureUse use, const TextInput& input,
                             const Sink& sink) {
    auto set = load_questions(options, split, sink);
    auto made = make_windows(set, input, window_options(options, use, input));
    FeatureSet out{set.file, std::move(made.features), question_labels(), set.is_labelled, {}};
    if (use == FeatureUse::evaluation) out.questions = Questions{std::move(set), std::move(made.windows)};
    return out;
}

bool decide_kind(const DataOptions& options, const std::optional<Labels>& labels) {
    if (!labels) return is_question_answering(options);
    const bool answers = labels->problem_type == ProblemType::question_answering;
    if (!options.task_name.empty() && answers != is_squad(options.task_name))
        fail_usage("task_name {}: the model is for {}", options.task_name,
                   answers ? "question answering (squad, squad_v2)" : "classification or regression");
    return answers;
}

Metrics score_answers(const Questions& questions, const std::vector<QuestionAnswer>& answers,
                      const AnswerOptions& options) {
    const auto& set = questions.set;
    PredictedAnswers chosen, spans;
    NoAnswerOdds odds;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const auto& id = set.questions[i].id;
        chosen[id] = answers[i].chosen.text;
        spans[id] = answers[i].best_span();
        odds.emplace_back(id, answers[i].null_odds);
    }
    auto scores = options.version_2_with_negative ? score_squad_v2(set, chosen) : score_squad_v1(set, chosen);
    // The threshold is looked for among all: as if no answer had been withheld by the one in use.
    if (options.version_2_with_negative) {
        const auto best = score_squad_v2(set, spans, &odds);
        for (const auto& [name, value] : best.items())
            if (name.starts_with("best_")) scores[name] = value;
    }
    Metrics metrics;
    for (const auto& [name, value] : scores.items()) metrics.emplace_back(name, value.get<double>());
    return metrics;
}

// Where each of `names` stands in `order`, if that has the same names; none otherwise, or where nothing changes.
std::optional<LabelPlaces> places_in(const std::vector<std::string>& order, const std::vector<std::string>& names) {
    if (order == names || order.size() != names.size()) return std::nullopt;
    return places_among(order, names);
}

// Of one example's logits, of which there is one for each label.
double loss_of(std::span<const float> logits, const Labels& labels, double expected) {
    if (labels.problem_type == ProblemType::regression) return (logits[0] - expected) * (logits[0] - expected);
    const double greatest = *std::ranges::max_element(logits);
    double sum = 0.0;
    for (const double logit : logits) sum += std::exp(logit - greatest);
    return std::log(sum) + greatest - logits[static_cast<std::size_t>(expected)];
}

}  // namespace

WindowOptions window_options(const DataOptions& options, FeatureUse use, const TextInput& input) {
    if (options.doc_stride.value_or(0) < 0) fail_usage("doc_stride: {} given; expected 0 or more", *options.doc_stride);
    const auto stride = options.doc_stride ? static_cast<std::size_t>(*options.doc_stride) : default_doc_stride(input);
    return {stride, use == FeatureUse::training};
}

std::vector<FeatureSet> load_feature_sets(const DataOptions& options, Split split, FeatureUse use,
                                          const std::optional<Labels>& labels, const TextInput& input,
                                          const Sink& sink) {
    std::vector<FeatureSet> sets;
    if (decide_kind(options, labels)) {
        sets.push_back(question_features(options, split, use, input, sink));
        return sets;
    }
    for (const auto& dataset : load_datasets(options, split, labels, sink)) {
        sets.push_back({dataset.file,
                        make_features(dataset, input),
                        dataset.labels,
                        dataset.is_labelled(),
                        {},
                        dataset.name.ends_with("_mismatched") ? "_mm" : "",
                        dataset.columns});
        warn_of_cut(sets.back().features, input, dataset.file, sink);
    }
    return sets;
}

std::vector<FeatureSet> load_labelled(const DataOptions& options, Split split, FeatureUse use,
                                      const std::optional<Labels>& labels, const TextInput& input, const Sink& sink) {
    auto sets = load_feature_sets(options, split, use, labels, input, sink);
    for (const auto& set : sets) {
        if (set.is_labelled) continue;
        const bool is_empty =
            !options.label_column_name.empty() || std::ranges::find(set.columns, "label") != set.columns.end();
        const auto found = set.columns.empty() ? ""
                           : is_empty          ? " (the column of labels is empty)"
                                      : fmt::format(" (a column label is expected, or label_column_name; found {})",
                                                    fmt::join(set.columns, ", "));
        throw InputError(set.file, "",
                         fmt::format("has no labels{}; training, scoring and evaluation need them", found));
    }
    return sets;
}

void take_label_order(FeatureSet& set, const Labels& model_labels) {
    if (set.labels.problem_type != ProblemType::classification) return;
    if (model_labels.problem_type != ProblemType::classification) return;
    const auto found = places_in(model_labels.names, set.labels.names);
    if (!found || found->by_number) return;
    for (auto& feature : set.features)
        if (feature.label) feature.label = static_cast<double>(found->places[static_cast<std::size_t>(*feature.label)]);
    set.labels = model_labels;
}

std::int64_t count_cut(const std::vector<FeatureSet>& sets) {
    std::int64_t count = 0;
    for (const auto& set : sets) count += count_cut(set.features);
    return count;
}

std::int64_t count_examples(const std::vector<FeatureSet>& sets) {
    std::int64_t count = 0;
    for (const auto& set : sets) count += set.examples();
    return count;
}

std::vector<std::size_t> logit_starts(std::span<const Feature> features, const ModelConfig& config) {
    const bool spans = config.problem_type == ProblemType::question_answering;
    std::vector<std::size_t> starts{0};
    for (const auto& feature : features)
        starts.push_back(starts.back() +
                         static_cast<std::size_t>(config.num_labels()) * (spans ? feature.input_ids.size() : 1));
    return starts;
}

namespace {

// Classes renumbered from the model's order to the task's, in which a metric counts them: f1 is that of the second one.
void take_task_order(const DataOptions& options, const Labels& labels, std::vector<double>& classes) {
    if (options.task_name.empty()) return;
    const auto found = places_in(find_task(options.task_name).labels.names, labels.names);
    if (!found) return;
    for (auto& value : classes) value = static_cast<double>(found->places[static_cast<std::size_t>(value)]);
}

}  // namespace

Scores score_logits(const FeatureSet& set, const Labels& labels, std::span<const float> logits,
                    const DataOptions& options) {
    if (set.questions) {
        const auto chosen = answer_options(options);
        auto answers = choose_answers(set.questions->set, set.questions->windows, logits, chosen);
        auto metrics = score_answers(*set.questions, answers, chosen);
        return {std::move(metrics), std::move(answers), {}};
    }
    std::vector<double> expected;
    double loss = 0.0;
    const auto width = labels.names.size();
    for (const auto& feature : set.features) {
        if (!feature.label) fail("{}: evaluation needs labels; `moebert predict` does without", set.file.string());
        loss += loss_of(logits.subspan(width * expected.size(), width), labels, *feature.label);
        expected.push_back(*feature.label);
    }
    auto decisions = decide(labels, logits);
    for (auto* classes : {&decisions, &expected}) take_task_order(options, labels, *classes);
    auto metrics = compute_metrics(task_metrics(options, labels.problem_type).names, decisions, expected);
    metrics.emplace_back("loss", loss / static_cast<double>(std::max<std::size_t>(1, expected.size())));
    Scores scores{std::move(metrics), {}, {}};
    if (options.task_name.empty() && labels.problem_type == ProblemType::classification)
        scores.report = report_classes(width, decisions, expected);
    return scores;
}

}  // namespace moebert
