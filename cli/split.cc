#include "command_line.h"
#include "commands.h"
#include "io/file.h"
#include "moe/options.h"

namespace moebert::cli {

namespace {

struct SplitOptions {
    std::string model_name_or_path, output_dir;
    bool overwrite_output_dir = false;
    std::int64_t seed = 42;
    MoeOptions moe;
};

void run(const SplitOptions& o, const Session& session) {
    check_output_dir(o.output_dir, o.model_name_or_path, o.overwrite_output_dir);
    const OutputFolder output(o.output_dir);
    warn_of_unused(o.moe, session.sink);
    const auto dense = load_checkpoint(o.model_name_or_path);
    const auto plan = student_plan(o.moe, dense.config, o.seed);
    check_plan(plan, dense.config);
    check_hash_list(plan);
    if (!dense.missing.empty())
        fail("{}: {} is missing; fine-tune the model first (`moebert finetune`)", o.model_name_or_path,
             dense.missing.front());
    std::optional<Importance> scores;
    if (plan.split_method != SplitMethod::random) {
        if (o.moe.importance_file.empty())
            fail_usage("--importance_file is needed (made by `moebert importance`), or --split_method random");
        scores = load_scores(o.moe.importance_file, dense, session.sink);
    }
    const auto student = build_student(dense, plan, scores ? &*scores : nullptr);
    save_checkpoint(o.output_dir, student.config, student.tensors, {o.model_name_or_path});
    const nlohmann::json summary{{"output_dir", o.output_dir},
                                 {"num_experts", plan.moe.num_experts},
                                 {"expert_size", plan.moe.expert_size},
                                 {"shared_size", plan.moe.shared_size},
                                 {"route_method", to_string(plan.moe.route_method)},
                                 {"split_method", to_string(plan.split_method)}};
    print_result(summary);
}

}  // namespace

void add_split(CLI::App& app, const Session& session) {
    auto* command =
        app.add_subcommand("split", "Split a fine-tuned BERT's feed-forward layers into experts, without training");
    auto o = std::make_shared<SplitOptions>();
    command->add_option("--model_name_or_path", o->model_name_or_path, "dense checkpoint directory")->required();
    command->add_option("--output_dir", o->output_dir, "where the mixture of experts goes")->required();
    command->add_flag("--overwrite_output_dir", o->overwrite_output_dir,
                      "write into an output folder that is not empty");
    command->add_option("--seed", o->seed, "of random splits, hash tables and gates")->capture_default_str();
    bind(*command, "Mixture of experts", o->moe);
    command->callback([o, &session] { run(*o, session); });
}

}  // namespace moebert::cli
