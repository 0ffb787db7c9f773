#include "core/nearest.h"

#include <gtest/gtest.h>

#include <vector>

namespace moebert {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
    EXPECT_EQ(edit_distance("", ""), 0U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("abc", "abc"), 0U);
    EXPECT_EQ(edit_distance("abc", "abd"), 1U);
    EXPECT_EQ(edit_distance("abc", "bc"), 1U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("sitting", "kitten"), 3U);
}

TEST(NearestName, IsTheOneThatWasProbablyMeant) {
    const std::vector<std::string> names{"learning_rate", "logging_steps", "eval_steps"};
    EXPECT_EQ(nearest_name("learnin_rate", names), "learning_rate");
    EXPECT_EQ(nearest_name("evalsteps", names), "eval_steps");
}

TEST(NearestName, IsTheFirstOfEquallyNearOnes) {
    const std::vector<std::string> names{"mnli", "qnli", "wnli"};
    EXPECT_EQ(nearest_name("xnli", names), "mnli");
}

TEST(NearestName, MayBeTheBeginningOrAPartOfALongerOne) {
    const std::vector<std::string> names{"model_name_or_path", "per_device_eval_batch_size", "eval_batch_size"};
    EXPECT_EQ(nearest_name("model", names), "model_name_or_path");
    EXPECT_EQ(nearest_name("batch_size", names), "eval_batch_size");
    EXPECT_EQ(nearest_name("size_or", names), "");
}

TEST(NearestName, IsEmptyWhenNoneIsNear) {
    EXPECT_EQ(nearest_name("a", {}), "");
    EXPECT_EQ(nearest_name("serve", std::vector<std::string>{"split", "predict"}), "");
    EXPECT_EQ(nearest_name("e", std::vector<std::string>{"evaluate"}), "");
}

}  // namespace
}  // namespace moebert
