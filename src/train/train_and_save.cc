// What fine-tuning and distillation do around the training loop.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "io/file.h"
#include "io/json.h"
#include "moe/cost.h"
#include "train/job_common.h"
#include "train/training_log.h"

namespace moebert {

Validation::Validation(const JobContext& job, const Labels& labels, const TextInput& input, const Processes& processes,
                       const Sink& sink)
    : data_(job.data),
      metrics_(task_metrics(job.data, labels.problem_type)),
      options_{job.train.per_device_eval_batch_size, torch::kFloat32, &processes},
      max_seq_length_(input.max_seq_length),
      processes_(processes),
      sink_(sink) {
    if (has_split(job.data, Split::validation))
        sets_ = load_labelled(job.data, Split::validation, FeatureUse::evaluation, labels, input, sink);
    else
        sink.info("there is no validation data: the model is not evaluated");
    if (!empty()) metrics_.best += sets_.front().suffix;
    check_selection(job.train);
}

void Validation::check_selection(const TrainOptions& options) const {
    const auto& name = options.metric_for_best_model;
    if (empty() && options.evaluation_strategy != "no")
        fail_usage("evaluation_strategy {}: there is no validation data to evaluate on", options.evaluation_strategy);
    if (empty() || name.empty()) return;
    std::vector<std::string> known;
    for (const auto& set : sets_) {
        for (const auto& metric : metrics_.names) known.push_back(metric + set.suffix);
        if (!set.questions) known.push_back("loss" + set.suffix);
    }
    if (std::find(known.begin(), known.end(), name.starts_with("eval_") ? name.substr(5) : name) == known.end())
        fail_usage("metric_for_best_model: '{}' given; expected one of {}", name, fmt::join(known, ", "));
}

ValidationScores Validation::evaluate(const Model& model, const std::filesystem::path& answers_directory) const {
    ValidationScores all;
    ExpertLoad load;
    for (const auto& set : sets_) {
        const auto output = run_model(model, set.features, options_, sink_);
        const auto scores = score_logits(set, labels_of(model.config), output.logits, data_);
        for (const auto& [name, value] : scores.metrics) all.metrics.emplace_back(name + set.suffix, value);
        add_load(load, output.expert_load);
        if (scores.report) all.details.update(details_of(*scores.report, model.config.label_names));
        if (set.questions && !answers_directory.empty() && processes_.is_first())
            save_answers(answers_directory, "eval_", set.questions->set, scores.answers, answer_options(data_));
    }
    if (!load.empty()) all.details["expert_load"] = load_shares(load);
    return all;
}

namespace {

nlohmann::json training_summary(const TrainingResult& r) {
    nlohmann::json out{{"epoch", r.epochs},
                       {"train_steps", r.steps},
                       {"train_loss", r.loss},
                       {"train_runtime", r.seconds},
                       {"train_samples_per_second", static_cast<double>(r.sentences) / r.seconds},
                       {"train_tokens_per_second", static_cast<double>(r.tokens) / r.seconds},
                       {"time_to_first_step", r.first_step_seconds}};
    if (!r.expert_load.empty()) out["expert_load"] = load_shares(r.expert_load);
    if (r.best_step >= 0) out.update({{"best_metric", r.best}, {"best_step", r.best_step}});
    return out;
}

// What a student has of its teacher: its score by the metric that chooses models, and what it costs.
nlohmann::json kept_of_teacher(const TrainingJob& training, const nlohmann::json& results) {
    const auto &teacher = *training.teacher_config, &student = training.model.config;
    nlohmann::json kept{
        {"feed_forward_multiply_adds_of_a_token",
         {{"teacher", feed_forward_multiply_adds(teacher)}, {"student", feed_forward_multiply_adds(student)}}},
        {"parameters", {{"teacher", parameter_count(teacher)}, {"student", parameter_count(student)}}}};
    const auto student_score = results.value("eval_" + training.best_metric, NAN),
               teacher_score = results.value("teacher_" + training.best_metric, NAN);
    if (!(teacher_score > 0) || std::isnan(student_score)) return kept;  // a share of it would say nothing
    kept["score"] = {{"metric", training.best_metric},
                     {"teacher", teacher_score},
                     {"student", student_score},
                     {"share", student_score / teacher_score}};
    return kept;
}

std::string kept_text(const nlohmann::json& kept) {
    const auto& work = kept.at("feed_forward_multiply_adds_of_a_token");
    const auto teacher_work = work.at("teacher").get<double>(), student_work = work.at("student").get<double>();
    std::string text = "kept: ";
    if (kept.contains("score")) {
        const auto& score = kept.at("score");
        text += fmt::format("{:.1f} % of the teacher's {} ({:.4f} of {:.4f}) with ",
                            100 * score.at("share").get<double>(), score.at("metric").get<std::string>(),
                            score.at("student").get<double>(), score.at("teacher").get<double>());
    }
    return text + fmt::format(
                      "{:.1f} % of its feed-forward multiply-adds a token ({:.0f} of {:.0f}); {:.2f} million "
                      "parameters, the teacher has {:.2f}",
                      100 * student_work / teacher_work, student_work, teacher_work,
                      kept.at("parameters").at("student").get<double>() * 1e-6,
                      kept.at("parameters").at("teacher").get<double>() * 1e-6);
}

}  // namespace

nlohmann::json train_and_save(const JobContext& job, TrainingJob& training, const Validation& validation,
                              const Sink& sink) {
    auto& model = training.model;
    if (!validation.empty()) training.evaluate = [&] { return validation.evaluate(model).metrics; };
    training.tokenizer_source = {job.model_name_or_path, validation.max_seq_length()};
    const std::filesystem::path output = job.train.output_dir;
    const bool writes = training.processes.is_first();
    if (writes) save_json(output / "training_args.json", training.options);
    const auto trained = train(training, job.train, sink);

    auto results = training_summary(trained);
    results["max_seq_length"] = validation.max_seq_length();
    results["train_truncated_samples"] = count_cut(training.features);
    if (writes) {
        save_model(model, output, training.tokenizer_source);
        save_json(output / "train_results.json", results);
    }
    if (!validation.empty()) {
        const auto evaluation = validation.evaluate(model, output);
        auto evaluated = with_prefix("eval_", evaluation.metrics);
        evaluated["eval_samples"] = validation.examples();
        evaluated["eval_truncated_samples"] = validation.cut();
        evaluated.update(evaluation.details);
        evaluated.update(with_prefix("teacher_", training.teacher));
        if (writes) {
            save_json(output / "eval_results.json", evaluated);
            TrainingLog(job.train, trained.steps).write(TrainingLog::kFinal, trained.steps, evaluated);
        }
        results.update(evaluated);
    }
    if (training.teacher_config) {
        results["kept"] = kept_of_teacher(training, results);
        sink.info("{}", kept_text(results.at("kept")));
    }
    if (writes) {
        save_json(output / "all_results.json", results);
        save_model_card(output, model.config, job, training.options, results);
    }
    return results;
}

}  // namespace moebert
