#include "moe/cost.h"

#include "io/checkpoint.h"

namespace moebert {

std::int64_t feed_forward_multiply_adds(const ModelConfig& c) {
    const auto width = c.moe ? c.moe->expert_size : c.intermediate_size;
    const auto gate = c.moe && is_gated(c.moe->route_method) ? c.moe->num_experts * c.hidden_size : 0;
    return c.num_hidden_layers * (2 * c.hidden_size * width + gate);
}

std::int64_t parameter_count(const ModelConfig& config) {
    std::int64_t count = 0;
    for (const auto& spec : tensor_table(config))
        if (spec.dtype == DType::f32) count += element_count(spec.shape);
    return count;
}

}  // namespace moebert
