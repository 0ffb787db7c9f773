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
    const auto input = load_text_input(job.model_name_or_path, checkpoint.config, job.data.max_seq_length);
    const auto sets = load_features(job, parse_split(options.split), labels_of(checkpoint.config), input, sink);
    const auto model = load_model(checkpoint);
    const auto metrics = task_metrics(job.data, checkpoint.config.problem_type);
    nlohmann::json results;
    double seconds = 0.0;
    for (std::size_t i = 0; i < sets.size(); ++i) {
        const auto output = run_model(model, sets[i].features, evaluation, sink);
        seconds += output.seconds;
        for (const auto& [name, value] : score(output, sets[i].features, labels_of(checkpoint.config), metrics.names))
            results["eval_" + name + (i == 0 ? "" : "_mm")] = value;
    }
    results["eval_samples"] = count_examples(sets);
    results["eval_runtime"] = seconds;
    results["eval_samples_per_second"] = static_cast<double>(count_examples(sets)) / seconds;
    if (options.output_dir.empty()) return results;
    std::filesystem::create_directories(options.output_dir);
    save_json(std::filesystem::path(options.output_dir) / "eval_results.json", results);
    return results;
}

PredictionResult run_predict(const std::string& model_name_or_path, const std::vector<Dataset>& datasets,
                             std::int64_t max_seq_length, const EvaluateOptions& options, const Sink& sink) {
    const auto evaluation = evaluation_options(options);
    const auto checkpoint = load_finetuned(model_name_or_path);
    const auto input = load_text_input(model_name_or_path, checkpoint.config, max_seq_length);
    const auto model = load_model(checkpoint);
    PredictionResult result{labels_of(checkpoint.config), {}};
    for (const auto& dataset : datasets) {
        const auto logits = run_model(model, make_features(dataset, input), evaluation, sink).logits;
        result.logits.insert(result.logits.end(), logits.begin(), logits.end());
    }
    return result;
}

}  // namespace moebert
