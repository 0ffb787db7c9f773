// `moebert distill`: a fine-tuned BERT in, a distilled mixture of experts out.
#include "core/error.h"
#include "io/file.h"
#include "moe/build_student.h"
#include "moe/hash_table.h"
#include "tasks/token_counts.h"
#include "train/job_common.h"
#include "train/losses.h"

namespace moebert {
namespace {

Importance scores_for(const JobContext& job, const MoeOptions& options, const Checkpoint& teacher, const Model& model,
                      std::span<const Feature> features, const Processes& processes, const Sink& sink) {
    if (!options.importance_file.empty()) return load_scores(options.importance_file, teacher, sink);
    sink.info("no --importance_file: scoring the teacher's neurons on the training examples first");
    ImportanceSource source;
    source.model_digest = checkpoint_digest(teacher);
    source.task = job.data.task_name;
    source.split = "train";
    auto scores = measure_importance(model, features, job.train.per_device_eval_batch_size, torch::kFloat32, source,
                                     processes, sink);
    if (!processes.is_first()) return scores;
    make_folder(job.train.output_dir);
    save_importance(std::filesystem::path(job.train.output_dir) / "importance.safetensors", scores);
    return scores;
}

// As `moebert hash-balance` does it.
std::vector<std::int64_t> make_hash_list(const JobContext& job, const StudentPlan& plan, const ModelConfig& teacher,
                                         std::span<const Feature> features, const Processes& processes,
                                         const Sink& sink) {
    sink.info("no --hash_list: making one of the training examples");
    auto list = balanced_hash_table(count_tokens(features, teacher.vocab_size), plan.moe.num_experts, plan.seed);
    if (!processes.is_first()) return list;
    make_folder(job.train.output_dir);
    save_hash_list(std::filesystem::path(job.train.output_dir) / "hash_list.pkl", list);
    return list;
}

Checkpoint make_student(const JobContext& job, const MoeOptions& options, const DistillOptions& distill,
                        const Checkpoint& teacher, const Model& teacher_model, std::span<const Feature> features,
                        const Processes& processes, const Sink& sink) {
    if (!distill.student_name_or_path.empty()) {
        auto student = load_finetuned(distill.student_name_or_path);
        if (!student.config.moe) fail("{}: is no mixture of experts", distill.student_name_or_path);
        if (labels_of(student.config) != labels_of(teacher.config) ||
            student.config.hidden_size != teacher.config.hidden_size ||
            student.config.num_hidden_layers != teacher.config.num_hidden_layers ||
            student.config.vocab_size != teacher.config.vocab_size ||
            student.config.max_position_embeddings != teacher.config.max_position_embeddings)
            fail(
                "{}: was not made from {}: labels, hidden_size, num_hidden_layers, vocab_size or "
                "max_position_embeddings differ",
                distill.student_name_or_path, job.model_name_or_path);
        if (options.expert_dropout) student.config.moe->expert_dropout = *options.expert_dropout;
        return student;
    }
    auto plan = student_plan(options, teacher.config, job.train.seed);
    if (plan.lacks_hash_list()) plan.balanced = make_hash_list(job, plan, teacher.config, features, processes, sink);
    if (plan.split_method == SplitMethod::random) return build_student(teacher, plan, nullptr);
    const auto scores = scores_for(job, options, teacher, teacher_model, features, processes, sink);
    return build_student(teacher, plan, &scores);
}

void check_before_work(const JobContext& job, const MoeOptions& options, const DistillOptions& distill,
                       const Checkpoint& teacher) {
    if (teacher.config.moe) fail("{}: is a mixture of experts; the teacher must be dense", job.model_name_or_path);
    if (!(distill.distill_weight >= 0))
        fail_usage("distill_weight: {} given; expected 0 or more", distill.distill_weight);
    if (const auto p = options.expert_dropout.value_or(0); !(p >= 0 && p < 1))
        fail_usage("expert_dropout: {} given; expected 0 or more, below 1", p);
    if (distill.student_name_or_path.empty())
        check_plan(student_plan(options, teacher.config, job.train.seed), teacher.config);
}

struct Pair {
    Model teacher, student;
};

// The checkpoints' memory is given back. `resumed`: where the student is, if it was begun before.
Pair load_pair(const JobContext& job, const MoeOptions& options, const DistillOptions& distill,
               std::span<const Feature> features, const Checkpoint& teacher,
               const std::optional<std::filesystem::path>& resumed, const Processes& processes, const Sink& sink) {
    const auto device = training_device(job, sink);
    Pair pair{load_model(teacher, 0, false, device), {}};
    if (resumed)
        pair.student = load_model(load_finetuned(*resumed), 0, true, device);
    else
        pair.student = load_model(make_student(job, options, distill, teacher, pair.teacher, features, processes, sink),
                                  static_cast<std::uint64_t>(job.train.seed), true, device);
    return pair;
}

StepLoss distillation_step(const Pair& models, const DistillationWeights& weights, const Batch& batch,
                           ForwardOptions options, StepShare share) {
    options.hidden_states = true;
    auto teacher_options = options;
    teacher_options.training = false;  // no dropout: the target is what the teacher predicts
    const auto target = [&] {
        torch::NoGradGuard no_grad;
        return forward(models.teacher, batch, teacher_options);
    }();
    const auto output = forward(models.student, batch, options);
    const auto loss = distillation_loss(output, target, batch, models.student.config.problem_type, weights, share);
    return {loss.total, {loss.task, loss.hidden, loss.prediction, loss.balance}, output.expert_load};
}

// With the sizes that are not given but follow from the teacher's.
nlohmann::json all_options(const JobContext& job, MoeOptions options, const DistillOptions& distill,
                           const ModelConfig& teacher) {
    if (distill.student_name_or_path.empty()) {
        const auto moe = moe_config(options, teacher.intermediate_size);
        options.expert_size = moe.expert_size;
        options.shared_size = moe.shared_size;
    }
    auto all = options_of(job);
    all.update(options_to_json(options));
    all.update(options_to_json(distill));
    return all;
}

// What a resumed distillation must have in common with the one before.
nlohmann::json distillation_settings(const MoeOptions& options, const DistillOptions& distill,
                                     const Checkpoint& teacher) {
    const auto moe = moe_config(options, teacher.config.intermediate_size);
    return {{"teacher", checkpoint_digest(teacher)},    {"student", distill.student_name_or_path},
            {"num_experts", moe.num_experts},           {"expert_size", moe.expert_size},
            {"shared_size", moe.shared_size},           {"route_method", options.route_method},
            {"split_method", options.split_method},     {"expert_dropout", moe.expert_dropout},
            {"distill_weight", distill.distill_weight}, {"load_balance", nullptr}};  // that of gates: see below
}

}  // namespace

nlohmann::json run_distill(const JobContext& given, const MoeOptions& options, const DistillOptions& distill,
                           const Sink& sink) {
    const auto processes = join_processes(given);
    auto checkpoint = std::make_unique<const Checkpoint>(load_finetuned(given.model_name_or_path));
    auto job = given;
    job.data = for_model(job.data, checkpoint->config);
    check_before_work(job, options, distill, *checkpoint);
    check_label_smoothing(job.train, checkpoint->config.problem_type);
    LoadBalance balance(distill.load_balance);
    const auto input = load_text_input(job.model_name_or_path, checkpoint->config, job.data.max_seq_length,
                                       job.train.num_threads, sink);
    const auto labels = labels_of(checkpoint->config);
    const auto training = load_labelled(job.data, Split::train, FeatureUse::training, labels, input, sink);
    const Validation validation(job, labels, input, processes, sink);
    const auto resumed =
        common_checkpoint(job.train, {job.model_name_or_path, distill.student_name_or_path}, processes, sink);
    const bool makes_student = !resumed && distill.student_name_or_path.empty();
    const bool writes_first =
        makes_student &&
        (student_plan(options, checkpoint->config, job.train.seed).lacks_hash_list() ||
         (options.importance_file.empty() && parse_split_method(options.split_method) != SplitMethod::random));
    std::unique_ptr<FolderLock> lock;
    if (writes_first) lock = lock_output(job.train, processes);  // before that work, which leaves a file there
    if (distill.student_name_or_path.empty()) warn_of_unused(options, sink);
    auto models = load_pair(job, options, distill, training.front().features, *checkpoint, resumed, processes, sink);
    const auto method = models.student.config.moe->route_method;
    if (balance.weight() > 0 && !balance.is_auto() && !is_gated(method))
        sink.warning("load_balance: has no effect with {}, which has no gates", to_string(method));
    auto settings = distillation_settings(options, distill, *checkpoint);
    if (is_gated(method)) {
        settings["load_balance"] = balance.setting();
        if (balance.weight() > 0)  // a pass's tokens are balanced
            settings["sentences_a_pass"] = job.train.per_device_train_batch_size * processes.size();
    }
    const auto teacher_config = checkpoint->config;
    checkpoint.reset();
    const auto teacher_scores = validation.evaluate(models.teacher).metrics;
    freeze_weights(models.teacher, compute_dtype(job.train, models.teacher.device(), {}));

    TrainingJob training_job{.model = models.student, .features = training.front().features, .processes = processes};
    training_job.terms = {"task", "hidden", "prediction"};
    if (is_gated(method)) {
        training_job.terms.emplace_back("balance");
        training_job.balance = &balance;
    }
    training_job.best_metric = validation.best_metric();
    training_job.options = all_options(job, options, distill, teacher_config);
    training_job.teacher = teacher_scores;
    training_job.teacher_config = teacher_config;
    training_job.settings = std::move(settings);
    training_job.checkpoint = resumed;
    training_job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare share) {
        return distillation_step(models, {distill.distill_weight, balance.weight(), job.train.label_smoothing_factor},
                                 batch, forward_options, share);
    };
    if (!writes_first) lock = lock_output(job.train, processes);
    return train_and_save(job, training_job, validation, sink);
}

}  // namespace moebert
