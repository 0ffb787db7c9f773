// Examples as a model takes them: token ids without padding.
#pragma once

#include <array>
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
    std::optional<double> label;                           // as in Example
    std::optional<std::array<std::int32_t, 2>> span = {};  // first and last token of a question's answer; both 0, the
                                                           // [CLS], where it is not in this feature
    bool is_cut = false;                                   // its text was longer than max_seq_length
};

// Feature i is example i, for any number of threads (0: one a core).
std::vector<Feature> make_features(const Dataset& dataset, const Tokenizer& tokenizer, std::size_t max_seq_length,
                                   unsigned threads = 0);

}  // namespace moebert
