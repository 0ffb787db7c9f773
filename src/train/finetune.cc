// `moebert finetune`: a pretrained BERT and a task's data in, a fine-tuned BERT out.
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "train/job_common.h"
#include "train/losses.h"

namespace moebert {
namespace {

// The model, with the data's labels as its own. The checkpoint's memory is given back.
Model load_for_task(const JobContext& job, const std::filesystem::path& directory, const Labels& labels,
                    const Sink& sink) {
    std::int64_t old_labels = 0;
    std::string other_task;
    const auto checkpoint = load_checkpoint(directory, [&](ModelConfig& config) {
        old_labels = config.num_labels();
        other_task = config.other_task;
        config.problem_type = labels.problem_type;
        config.label_names = labels.names;
        config.version_2_with_negative =
            labels.problem_type == ProblemType::question_answering && answer_options(job.data).version_2_with_negative;
    });
    if (checkpoint.config.moe) fail("{}: is a mixture of experts; finetune takes a dense model", directory.string());
    if (!other_task.empty())
        sink.info("{} is a model for another task ({}): its encoder is taken", directory.string(), other_task);
    if (!checkpoint.missing.empty() && old_labels != checkpoint.config.num_labels())
        sink.info("{} has {} labels, the data {}", directory.string(), old_labels, checkpoint.config.num_labels());
    for (const auto& name : checkpoint.missing)
        sink.info("{} is not in {}, or not of this shape: initialised at random", name, directory.string());
    return load_model(checkpoint, static_cast<std::uint64_t>(job.train.seed), true, training_device(job, sink));
}

// They come from the data: what went wrong there shows.
void tell_labels(const Labels& labels, const Sink& sink) {
    constexpr std::size_t kMost = 10;
    const auto& names = labels.names;
    if (labels.problem_type == ProblemType::classification)
        sink.info("{} labels: {}{}", names.size(),
                  fmt::join(std::span(names).first(std::min(kMost, names.size())), ", "),
                  names.size() > kMost ? ", ..." : "");
}

}  // namespace

nlohmann::json run_finetune(const JobContext& job, const Sink& sink) {
    const auto processes = join_processes(job);
    auto config = load_model_config(job.model_name_or_path);
    const auto model_labels = labels_of(config);
    config.problem_type =
        is_question_answering(job.data) ? ProblemType::question_answering : ProblemType::classification;
    const auto input =
        load_text_input(job.model_name_or_path, config, job.data.max_seq_length.value_or(usual_length(config)),
                        job.train.num_threads, sink);
    auto training = load_labelled(job.data, Split::train, FeatureUse::training, std::nullopt, input, sink);
    auto& train_set = training.front();
    take_label_order(train_set, model_labels);
    check_label_smoothing(job.train, train_set.labels.problem_type);
    tell_labels(train_set.labels, sink);
    const auto resumed = common_checkpoint(job.train, {job.model_name_or_path}, processes, sink);
    auto model = load_for_task(job, resumed.value_or(job.model_name_or_path), train_set.labels, sink);
    const Validation validation(job, train_set.labels, input, processes, sink);

    TrainingJob training_job{.model = model, .features = train_set.features, .processes = processes};
    training_job.options = options_of(job);
    training_job.terms = {"task"};
    training_job.best_metric = validation.best_metric();
    training_job.checkpoint = resumed;
    training_job.loss = [&](const Batch& batch, const ForwardOptions& options, StepShare share) {
        const auto output = forward(model, batch, options);
        const auto loss =
            share.sentences *
            task_losses(model.config.problem_type, output.logits, batch, job.train.label_smoothing_factor).mean();
        return StepLoss{loss, {loss}, {}};
    };
    const auto lock = lock_output(job.train, processes);
    return train_and_save(job, training_job, validation, sink);
}

}  // namespace moebert
