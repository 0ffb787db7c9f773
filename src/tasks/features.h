// Examples as a model takes them: token ids without padding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tasks/task.h"
#include "text/tokenizer.h"

namespace moebert {

struct Feature {
    std::vector<std::int32_t> input_ids;  // [CLS] sentence1 [SEP] (sentence2 [SEP])
    std::vector<std::uint8_t> token_type_ids;
    std::optional<double> label;  // as in Example
};

// Feature i is example i, for any number of threads (0: one a core).
std::vector<Feature> make_features(const Dataset& dataset, const Tokenizer& tokenizer, std::size_t max_seq_length,
                                   unsigned threads = 0);

}  // namespace moebert
