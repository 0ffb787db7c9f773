#include "tasks/token_counts.h"

#include "core/error.h"

namespace moebert {

std::vector<std::int64_t> count_tokens(std::span<const Feature> features, std::int64_t vocab_size) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(vocab_size), 0);
    for (const auto& feature : features)
        for (const auto id : feature.input_ids) {
            if (id >= vocab_size) fail("token {}: the vocabulary has {} tokens", id, vocab_size);
            ++counts[static_cast<std::size_t>(id)];
        }
    return counts;
}

}  // namespace moebert
