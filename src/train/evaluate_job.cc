// `moebert evaluate` and `moebert predict`: any checkpoint, dense or mixture of experts.
#include "core/error.h"
#include "train/job_common.h"

namespace moebert {
namespace {

EvaluationOptions evaluation_options(const EvaluateOptions& options) {
    if (options.batch_size < 1) fail_usage("batch size: {} given; at least 1 is needed", options.batch_size);
    return {options.batch_size, options.bf16 ? torch::kBFloat16 : torch::kFloat32};
}

}  // namespace

nlohmann::json run_evaluate(const JobContext& job, const EvaluateOptions& options, const Sink& sink) {
    const auto evaluation = evaluation_options(options);
    const auto checkpoint = load_finetuned(job.model_name_or_path);
    const auto labels = labels_of(checkpoint.config);
    const auto input = load_text_input(job.model_name_or_path, checkpoint.config, job.data.max_seq_length);
    const auto sets = load_labelled(job, parse_split(options.split), FeatureUse::evaluation, labels, input, sink);
    const auto model = load_model(checkpoint);
    nlohmann::json results;
    double seconds = 0.0;
    for (std::size_t i = 0; i < sets.size(); ++i) {
        const auto output = run_model(model, sets[i].features, evaluation, sink);
        seconds += output.seconds;
        const auto scores = score(output, sets[i], labels, job.data);
        for (const auto& [name, value] : scores.metrics) results["eval_" + name + (i == 0 ? "" : "_mm")] = value;
        if (sets[i].questions && !options.output_dir.empty())
            save_answers(options.output_dir, "eval_", sets[i].questions->set, scores.answers, answer_options(job.data));
    }
    results["eval_samples"] = count_examples(sets);
    results["eval_runtime"] = seconds;
    results["eval_samples_per_second"] = static_cast<double>(count_examples(sets)) / seconds;
    if (options.output_dir.empty()) return results;
    std::filesystem::create_directories(options.output_dir);
    save_json(std::filesystem::path(options.output_dir) / "eval_results.json", results);
    return results;
}

PredictionResult run_predict(const JobContext& job, const std::vector<Dataset>& datasets,
                             const EvaluateOptions& options, const Sink& sink) {
    const auto evaluation = evaluation_options(options);
    const auto checkpoint = load_finetuned(job.model_name_or_path);
    const auto input = load_text_input(job.model_name_or_path, checkpoint.config, job.data.max_seq_length);
    const auto model = load_model(checkpoint);
    PredictionResult result{labels_of(checkpoint.config), {}};
    for (const auto& dataset : datasets) {
        const auto logits = run_model(model, make_features(dataset, input), evaluation, sink).logits;
        result.logits.insert(result.logits.end(), logits.begin(), logits.end());
    }
    return result;
}

std::vector<QuestionAnswer> run_answer(const JobContext& job, const QuestionSet& questions,
                                       const EvaluateOptions& options, const Sink& sink) {
    const auto evaluation = evaluation_options(options);
    const auto answers = answer_options(job.data);
    const auto checkpoint = load_finetuned(job.model_name_or_path);
    const auto input = load_text_input(job.model_name_or_path, checkpoint.config, job.data.max_seq_length);
    const auto [features, windows] = make_windows(questions, input, window_options(job.data, FeatureUse::evaluation));
    const auto output = run_model(load_model(checkpoint), features, evaluation, sink);
    return choose_answers(questions, windows, output.logits, answers);
}

}  // namespace moebert
