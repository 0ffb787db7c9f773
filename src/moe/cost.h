// What a model costs.
#pragma once

#include <cstdint>

#include "io/model_config.h"

namespace moebert {

// Of all layers' feed-forward networks for one token, the gates of a mixture of experts included.
std::int64_t feed_forward_multiply_adds(const ModelConfig& config);

std::int64_t parameter_count(const ModelConfig& config);  // hash tables are none

}  // namespace moebert
