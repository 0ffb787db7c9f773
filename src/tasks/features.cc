#include "tasks/features.h"

#include "core/parallel.h"

namespace moebert {
namespace {

Feature make_feature(const Example& example, const Tokenizer& tokenizer, std::size_t max_seq_length) {
    Encoding encoding = tokenizer.encode(example.sentence1, example.sentence2, max_seq_length);
    return {std::move(encoding.input_ids), std::move(encoding.token_type_ids), example.label, {}, encoding.is_cut};
}

}  // namespace

std::vector<Feature> make_features(const Dataset& dataset, const Tokenizer& tokenizer, std::size_t max_seq_length,
                                   unsigned threads) {
    std::vector<Feature> features(dataset.examples.size());
    in_parallel(features.size(), threads,
                [&](std::size_t i) { features[i] = make_feature(dataset.examples[i], tokenizer, max_seq_length); });
    return features;
}

}  // namespace moebert
