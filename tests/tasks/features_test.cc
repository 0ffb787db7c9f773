#include "tasks/features.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace moebert {
namespace {

Tokenizer tokenizer() { return Tokenizer({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##b"}); }

Dataset many_examples(std::size_t size) {
    Dataset dataset;
    for (std::size_t i = 0; i < size; ++i) {
        dataset.examples.push_back({std::string(i % 7 + 1, 'a') + " a b", "b abb", static_cast<double>(i)});
    }
    return dataset;
}

TEST(MakeFeatures, PutsAPairBetweenSpecialTokens) {
    Dataset dataset;
    dataset.examples = {{"a b", "ab", 1.0}, {"a", {}, {}}};
    const auto features = make_features(dataset, tokenizer(), 16);
    EXPECT_EQ(features[0].input_ids, std::vector<std::int32_t>({2, 4, 5, 3, 4, 6, 3}));
    EXPECT_EQ(features[0].token_type_ids, std::vector<std::uint8_t>({0, 0, 0, 0, 1, 1, 1}));
    EXPECT_EQ(features[0].label, 1.0);
    EXPECT_FALSE(features[1].label);
}

TEST(MakeFeatures, GivesTheSameForAnyNumberOfThreads) {
    const Dataset dataset = many_examples(2000);
    const auto one = make_features(dataset, tokenizer(), 8, 1);
    const auto four = make_features(dataset, tokenizer(), 8, 4);
    ASSERT_EQ(one.size(), dataset.examples.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
        ASSERT_EQ(one[i].input_ids, four[i].input_ids);
        ASSERT_EQ(one[i].label, static_cast<double>(i));
        ASSERT_LE(one[i].input_ids.size(), 8U);
    }
}

TEST(MakeFeatures, AnErrorInAThreadComesThrough) {
    EXPECT_THROW(make_features(many_examples(2000), tokenizer(), 2, 4), Error);
}

TEST(MakeFeatures, OfNothingAreNone) { EXPECT_TRUE(make_features({}, tokenizer(), 8).empty()); }

}  // namespace
}  // namespace moebert
