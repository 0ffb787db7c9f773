#include "moe/build_student.h"

#include "core/error.h"
#include "moe/hash_table.h"

namespace moebert {

void check_plan(const StudentPlan& plan, const ModelConfig& dense) {
    if (dense.moe) fail_usage("the model is a mixture of experts already; a dense one is needed");
    check_split({plan.moe.num_experts, plan.moe.expert_size, plan.moe.shared_size, dense.intermediate_size});
    if (!(plan.moe.expert_dropout >= 0 && plan.moe.expert_dropout < 1))  // NaN neither
        fail_usage("expert_dropout: {} given; expected 0 or more, below 1", plan.moe.expert_dropout);
}

void check_hash_list(const StudentPlan& plan) {
    if (plan.lacks_hash_list())
        fail_usage("route_method hash-balance: --hash_list is needed; `moebert hash-balance` makes one");
}

Importance load_scores(const std::filesystem::path& file, const Checkpoint& dense, const Sink& sink) {
    auto scores = load_importance(file);
    const auto& c = dense.config;
    if (scores.source.world_size > 1)
        throw InputError(file, "",
                         fmt::format("is part {} of {}; add them up with `moebert merge-importance` first",
                                     scores.source.rank, scores.source.world_size));
    if (scores.layers() != c.num_hidden_layers || scores.neurons() != c.intermediate_size)
        throw InputError(file, "",
                         fmt::format("scores of {} layers of {} neurons; the model has {} layers of {}",
                                     scores.layers(), scores.neurons(), c.num_hidden_layers, c.intermediate_size));
    if (!scores.source.model_digest.empty() && scores.source.model_digest != checkpoint_digest(dense))
        sink.warning("{}: the scores are of another model than {}", file.string(), dense.directory.string());
    return scores;
}

Checkpoint build_student(const Checkpoint& dense, const StudentPlan& plan, const Importance* scores) {
    check_plan(plan, dense.config);
    check_hash_list(plan);
    const auto& c = dense.config;
    auto balanced = plan.balanced;
    if (plan.moe.route_method == RouteMethod::hash_balance && balanced.empty())
        balanced = load_hash_list(plan.hash_list, c.vocab_size, plan.moe.num_experts);
    const auto tables = make_hash_tables(plan.moe.route_method, c.num_hidden_layers, c.vocab_size, plan.moe.num_experts,
                                         plan.seed, balanced);
    const auto orders = neuron_orders(plan.split_method, scores, c.num_hidden_layers, c.intermediate_size, plan.seed);
    return split_checkpoint(dense, plan.moe, orders, tables, plan.seed);
}

}  // namespace moebert
