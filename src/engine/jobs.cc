#include "engine/jobs.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "engine/prepared.h"
#include "io/json.h"

namespace moebert {
namespace {

engine::EngineOptions engine_options(const InferenceOptions& options) {
    engine::EngineOptions out;
    out.threads = options.num_threads;
    out.max_sentences = options.per_device_eval_batch_size;
    return out;
}

// A checkpoint ready to compute, and how it takes text.
struct LoadedModel {
    TextInput input;
    engine::Engine engine;

    Labels labels() const { return labels_of(engine.config()); }
};

LoadedModel load_model(const InferenceOptions& options, const DataOptions& data, const Sink& sink) {
    if (options.bf16 && !options.precision.empty() && options.precision != "bf16")
        fail_usage("precision {}: given with --bf16, which is another one", options.precision);
    auto weights = engine::load_weights(options.model_name_or_path, options.bf16 ? "bf16" : options.precision);
    auto input =
        load_text_input(options.model_name_or_path, weights.config, data.max_seq_length, options.num_threads, sink);
    LoadedModel model{std::move(input), engine::Engine(std::move(weights), engine_options(options))};
    sink.info("engine: {}", description(model.engine));
    return model;
}

engine::EngineResult compute_own(LoadedModel& model, std::span<const Feature> features, const char* what,
                                 const Sink& sink) {
    const auto total = static_cast<double>(features.size());
    return model.engine.run(features, [&](std::int64_t done) {
        sink.progress({what, static_cast<double>(done), total, ""});
    });
}

// Float sums of counts are exact when these are cut into digits of 12 bits: for up to 4096 processes.
void sum_load(ExpertLoad& load, const Share& share) {
    constexpr std::int64_t kBase = 4096, kDigits = 4;
    std::vector<float> digits;
    for (const auto& layer : load)
        for (auto count : layer)
            for (int i = 0; i < kDigits; ++i, count /= kBase) digits.push_back(static_cast<float>(count % kBase));
    share.sum(digits);
    const auto* next = digits.data();
    for (auto& layer : load)
        for (auto& count : layer) {
            count = 0;
            std::int64_t unit = 1;
            for (int i = 0; i < kDigits; ++i, unit *= kBase) count += unit * static_cast<std::int64_t>(*next++);
        }
}

// With several processes each computes every size-th example, and all get all logits.
engine::EngineResult compute(LoadedModel& model, std::span<const Feature> features, const Share& share,
                             const char* what, const Sink& sink) {
    if (share.size == 1) return compute_own(model, features, what, sink);
    const auto first = static_cast<std::size_t>(share.rank), step = static_cast<std::size_t>(share.size);
    std::vector<Feature> own;
    for (auto i = first; i < features.size(); i += step) own.push_back(features[i]);
    auto result = compute_own(model, own, what, sink);
    const auto starts = logit_starts(features, model.engine.config());
    std::vector<float> all(starts.back());
    const auto* from = result.logits.data();
    for (auto i = first; i < features.size(); i += step) {
        std::copy_n(from, starts[i + 1] - starts[i], all.data() + starts[i]);
        from += starts[i + 1] - starts[i];
    }
    share.sum(all);
    result.logits = std::move(all);
    sum_load(result.expert_load, share);
    return result;
}

}  // namespace

EvaluationReport run_evaluate(const InferenceOptions& options, const DataOptions& data, Split split, const Sink& sink) {
    auto model = load_model(options, data, sink);
    const auto labels = model.labels();
    auto sets = load_labelled(data, split, FeatureUse::evaluation, labels, model.input, sink);
    EvaluationReport result;
    auto& metrics = result.metrics;
    const auto examples = count_examples(sets);
    metrics["eval_samples"] = examples;
    metrics["eval_truncated_samples"] = count_cut(sets);
    metrics["max_seq_length"] = model.input.max_seq_length;
    metrics["task_name"] = data.task_name;
    metrics["split"] = to_string(split);
    metrics["precision"] = engine::to_string(model.engine.options().precision);
    for (const auto& set : sets) metrics["files"].push_back(set.file.string());
    double seconds = 0.0, scoring = 0.0;
    ExpertLoad load;
    for (auto& set : sets) {
        const auto output = compute(model, set.features, options.share, "evaluating", sink);
        seconds += output.seconds;
        add_load(load, output.expert_load);
        const auto start = std::chrono::steady_clock::now();
        auto scores = score_logits(set, labels, output.logits, data);
        scoring += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        for (const auto& [name, value] : scores.metrics) metrics["eval_" + name + set.suffix] = value;
        if (scores.report) {
            metrics.update(details_of(*scores.report, labels.names));
            result.class_table = to_table(*scores.report, labels.names);
        }
        if (!set.questions) continue;
        result.questions = std::move(set.questions->set);
        result.answers = std::move(scores.answers);
    }
    if (!load.empty()) metrics["expert_load"] = load_shares(load);
    metrics["eval_runtime"] = seconds;
    metrics["eval_scoring_runtime"] = scoring;  // choosing answers included
    metrics["eval_samples_per_second"] = static_cast<double>(examples) / seconds;
    return result;
}

PredictionResult run_predict(const InferenceOptions& options, const DataOptions& data,
                             const std::vector<Dataset>& datasets, const Sink& sink) {
    auto model = load_model(options, data, sink);
    PredictionResult result{model.labels(), {}};
    for (const auto& dataset : datasets) {
        const auto features = make_features(dataset, model.input);
        warn_of_cut(features, model.input, dataset.file, sink);
        const auto logits = compute(model, features, options.share, "predicting", sink).logits;
        result.logits.insert(result.logits.end(), logits.begin(), logits.end());
    }
    return result;
}

std::vector<QuestionAnswer> run_answer(const InferenceOptions& options, const DataOptions& data,
                                       const QuestionSet& questions, const Sink& sink) {
    const auto answers = answer_options(data);
    auto model = load_model(options, data, sink);
    const auto [features, windows] =
        make_windows(questions, model.input, window_options(data, FeatureUse::evaluation, model.input));
    return choose_answers(questions, windows, compute(model, features, options.share, "answering", sink).logits,
                          answers);
}

}  // namespace moebert
