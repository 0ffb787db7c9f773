#include "api/model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/utf8.h"
#include "engine/prepared.h"

namespace moebert {
namespace {

Dataset dataset_of(const std::vector<Input>& inputs) {
    Dataset dataset;
    dataset.file = "inputs";
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const auto& [text, pair] = inputs[i];
        if (find_malformed_utf8(text) || find_malformed_utf8(pair)) fail_usage("input {}: isn't UTF-8", i);
        dataset.examples.push_back({text, {}, {}});
        if (!pair.empty()) dataset.examples.back().sentence2 = pair;
    }
    return dataset;
}

Prediction prediction_of(const Labels& labels, std::span<const float> logits) {
    Prediction out;
    out.logits.assign(logits.begin(), logits.end());
    if (labels.problem_type == ProblemType::regression) {
        out.label = labels.names.front();
        out.score = logits.front();
        return out;
    }
    out.index = static_cast<std::size_t>(std::ranges::max_element(logits) - logits.begin());
    out.label = labels.names[out.index];
    out.probabilities = softmax(logits);
    out.score = out.probabilities[out.index];
    return out;
}

QuestionSet questions_of(const std::vector<Query>& queries) {
    QuestionSet set;
    set.file = "queries";
    for (std::size_t i = 0; i < queries.size(); ++i) try {
            auto one = one_question(queries[i].question, queries[i].context);
            one.questions.front().context = i;
            one.questions.front().id = std::to_string(i);
            set.contexts.push_back(std::move(one.contexts.front()));
            set.questions.push_back(std::move(one.questions.front()));
        } catch (const UsageError& error) {
            fail_usage("query {}: {}", i, error.what());
        }
    return set;
}

// A model with broken weights has no results.
void check_finite(std::span<const float> logits) {
    for (const float logit : logits)
        if (!std::isfinite(logit)) fail("the model's result is {}, expected a finite number", logit);
}

std::optional<std::int64_t> length(const LoadOptions& options) {
    if (options.max_seq_length == 0) return {};
    return options.max_seq_length;
}

}  // namespace

const char* version() { return MOEBERT_VERSION; }

Model Model::load(const std::filesystem::path& directory, const LoadOptions& options) try {
    auto weights = engine::load_weights(directory, options.precision);
    auto input = load_text_input(directory, weights.config, length(options), options.threads);
    auto meaning = labels_of(weights.config);
    engine::EngineOptions compute;
    compute.threads = options.threads;
    AnswerOptions answers;
    answers.max_answer_length = options.max_answer_length;
    answers.version_2_with_negative = options.version_2_with_negative || weights.config.version_2_with_negative;
    answers.null_score_diff_threshold = options.null_score_diff_threshold;
    check_options(answers);
    if (options.doc_stride < 0) fail_usage("doc_stride: {} given; expected 0 or more", options.doc_stride);
    WindowOptions windows{static_cast<std::size_t>(options.doc_stride), false};
    if (options.doc_stride == 0) windows.doc_stride = default_doc_stride(input);
    if (meaning.problem_type == ProblemType::question_answering) check_windows(input, windows);
    return Model(std::make_shared<const State>(
        State{std::move(input), std::move(meaning), engine::Engine(std::move(weights), compute), windows, answers}));
} catch (const std::filesystem::filesystem_error& error) {
    throw InputError(error.path1(), "", error.code().message());
}

ModelKind Model::kind() const {
    switch (state_->meaning.problem_type) {
        case ProblemType::regression:
            return ModelKind::regression;
        case ProblemType::question_answering:
            return ModelKind::question_answering;
        default:
            return ModelKind::classification;
    }
}

const std::vector<std::string>& Model::labels() const { return state_->meaning.names; }

int Model::max_seq_length() const { return static_cast<int>(state_->input.max_seq_length); }

std::string Model::description() const { return engine::description(state_->engine); }

std::vector<Prediction> Model::classify(const std::vector<Input>& inputs) const {
    if (inputs.empty()) return {};
    if (kind() == ModelKind::question_answering)
        fail_usage("classify: the model is one for question answering; see answer()");
    const auto features = make_features(dataset_of(inputs), state_->input);
    const auto logits = state_->engine.run(features).logits;
    check_finite(logits);
    const auto width = labels().size();
    std::vector<Prediction> out;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        out.push_back(prediction_of(state_->meaning, std::span(logits).subspan(i * width, width)));
        out.back().is_truncated = features[i].is_cut;
    }
    return out;
}

std::vector<double> Model::regress(const std::vector<Input>& inputs) const {
    if (kind() != ModelKind::regression) fail_usage("regress: the model is none for regression");
    std::vector<double> out;
    for (const auto& prediction : classify(inputs)) out.push_back(prediction.score);
    return out;
}

std::vector<std::vector<FoundAnswer>> Model::answer(const std::vector<Query>& queries, std::size_t top_k) const {
    if (kind() != ModelKind::question_answering) fail_usage("answer: the model is none for question answering");
    if (queries.empty()) return {};
    const auto set = questions_of(queries);
    const auto [features, windows] = make_windows(set, state_->input, state_->windows);
    auto options = state_->answers;
    constexpr std::size_t kAll = std::numeric_limits<std::int64_t>::max();
    options.n_best_size = std::max(options.n_best_size, static_cast<std::int64_t>(std::min(top_k, kAll)));
    std::vector<std::vector<FoundAnswer>> out;
    for (const auto& found : choose_answers(set, windows, state_->engine.run(features).logits, options)) {
        auto& best = out.emplace_back();
        for (const auto& c : found.best(top_k)) best.push_back({c.text, c.probability, c.begin, c.end});
    }
    return out;
}

}  // namespace moebert
