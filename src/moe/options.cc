#include "moe/options.h"

namespace moebert {

MoeConfig moe_config(const MoeOptions& options) {
    return {options.num_experts, options.expert_size, options.shared_size, parse_route_method(options.route_method),
            options.expert_dropout.value_or(MoeConfig().expert_dropout)};
}

void warn_of_unused(const MoeOptions& options, const Sink& sink) {
    if (!options.importance_file.empty() && parse_split_method(options.split_method) == SplitMethod::random)
        sink.warning("importance_file: has no effect with split_method random");
    if (!options.hash_list.empty() && parse_route_method(options.route_method) != RouteMethod::hash_balance)
        sink.warning("hash_list: has no effect with {}", options.route_method);
}

StudentPlan student_plan(const MoeOptions& options, std::int64_t seed) {
    return {moe_config(options), parse_split_method(options.split_method), options.hash_list,
            static_cast<std::uint64_t>(seed)};
}

}  // namespace moebert
