// `moebert finetune`: a pretrained BERT and a task's data in, a fine-tuned BERT out.
#include "core/error.h"
#include "train/job_common.h"
#include "train/losses.h"

namespace moebert {
namespace {

// The model's labels become the data's.
Checkpoint load_for_task(const JobContext& job, const Labels& labels, const Sink& sink) {
    auto checkpoint = load_checkpoint(job.model_name_or_path, [&](ModelConfig& config) {
        config.problem_type = labels.problem_type;
        config.label_names = labels.names;
    });
    if (checkpoint.config.moe)
        fail("{}: is a mixture of experts; finetune takes a dense model", job.model_name_or_path);
    for (const auto& name : checkpoint.missing)
        sink.info("{} is not in {}: initialised at random", name, job.model_name_or_path);
    return checkpoint;
}

}  // namespace

nlohmann::json run_finetune(const JobContext& job, const Sink& sink) {
    check_options(job.train);
    const auto tokenizer = Tokenizer::load(job.model_name_or_path);
    auto training = load_features(job, Split::train, std::nullopt, tokenizer);
    const auto& train_set = training.front();
    const auto checkpoint = load_for_task(job, train_set.labels, sink);
    check_sequence_length(checkpoint.config, job.data.max_seq_length);
    check_vocabulary(checkpoint.config, tokenizer);
    std::vector<FeatureSet> validation;
    if (has_split(job.data, Split::validation))
        validation = load_features(job, Split::validation, train_set.labels, tokenizer);

    auto model = load_model(checkpoint, static_cast<std::uint64_t>(job.train.seed), true);
    const auto metrics = task_metrics(job.data, model.config.problem_type);
    const EvaluationOptions evaluation{job.train.per_device_eval_batch_size, torch::kFloat32};
    TrainingJob training_job{model, train_set.features, {}, {}, {}, metrics.best};
    training_job.loss = [&](const Batch& batch, const ForwardOptions& options, StepShare share) {
        const auto output = forward(model, batch, options);
        const auto loss = share.sentences * task_losses(model.config.problem_type, output.logits, batch).mean();
        return StepLoss{loss, {{"task", loss}}, {}};
    };
    if (!validation.empty())
        training_job.evaluate = [&] { return evaluate_all(model, validation, metrics, evaluation, sink); };
    training_job.save = [&](const std::filesystem::path& directory) {
        save_model(model, directory, job.model_name_or_path);
    };
    const auto trained = train(training_job, job.train, sink);

    const std::filesystem::path output = job.train.output_dir;
    save_model(model, output, job.model_name_or_path);
    auto results = training_summary(trained);
    save_json(output / "train_results.json", results);
    if (!validation.empty()) {
        auto scores = with_prefix("eval_", evaluate_all(model, validation, metrics, evaluation, sink));
        scores["eval_samples"] = count_examples(validation);
        save_json(output / "eval_results.json", scores);
        results.update(scores);
    }
    save_json(output / "all_results.json", results);
    save_model_card(output, model.config, job, results);
    return results;
}

}  // namespace moebert
