#include "moe/options.h"

#include <algorithm>

namespace moebert {

namespace {

// Neurons that an expert can have at most: the shared ones, and its part of the others.
std::int64_t largest_expert(std::int64_t num_experts, std::int64_t shared_size, std::int64_t intermediate_size) {
    return shared_size + (intermediate_size - shared_size) / num_experts;
}

}  // namespace

MoeConfig moe_config(const MoeOptions& options, std::int64_t intermediate_size) {
    check_num_experts(options.num_experts);
    const auto quarter = std::max<std::int64_t>(1, intermediate_size / 4), sixth = intermediate_size / 6;
    const auto shared = options.shared_size.value_or(std::min(sixth, 2 * options.expert_size.value_or(quarter) / 3));
    const auto wanted = std::max(quarter, 3 * shared / 2);  // a third of an expert's neurons are its own
    const auto size = std::min(wanted, largest_expert(options.num_experts, shared, intermediate_size));
    return {options.num_experts, options.expert_size.value_or(size), shared, parse_route_method(options.route_method),
            options.expert_dropout.value_or(MoeConfig().expert_dropout)};
}

void warn_of_unused(const MoeOptions& options, const Sink& sink) {
    if (!options.importance_file.empty() && parse_split_method(options.split_method) == SplitMethod::random)
        sink.warning("importance_file: has no effect with split_method random");
    if (!options.hash_list.empty() && parse_route_method(options.route_method) != RouteMethod::hash_balance)
        sink.warning("hash_list: has no effect with {}", options.route_method);
}

StudentPlan student_plan(const MoeOptions& options, const ModelConfig& dense, std::int64_t seed) {
    return {moe_config(options, dense.intermediate_size), parse_split_method(options.split_method), options.hash_list,
            static_cast<std::uint64_t>(seed)};
}

}  // namespace moebert
