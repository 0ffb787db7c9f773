#include "core/options.h"

#include <gtest/gtest.h>

namespace moebert {
namespace {

struct Sample {
    std::string name = "x";
    std::int64_t count = 3;
    double rate = 0.5;
    bool fast = true;
    std::optional<std::int64_t> limit, most = 7;
};

template <class Visitor>
void describe(Visitor& visit, Sample& o) {
    visit("name", o.name, "a name", {"authors_name"});
    visit("count", o.count, "a count");
    visit("rate", o.rate, "a rate");
    visit("fast", o.fast, "a flag");
    visit("limit", o.limit, "absent");
    visit("most", o.most, "present");
}

TEST(OptionsToJson, HoldsEveryFieldByItsFirstNameAndType) {
    const auto json = options_to_json(Sample{});
    EXPECT_EQ(json, (nlohmann::json{
                        {"name", "x"}, {"count", 3}, {"rate", 0.5}, {"fast", true}, {"limit", nullptr}, {"most", 7}}));
    EXPECT_TRUE(json.at("count").is_number_integer());
    EXPECT_TRUE(json.at("fast").is_boolean());
}

TEST(OptionsToJson, ShowsWhatWasChanged) {
    Sample sample;
    sample.limit = 1;
    sample.most.reset();
    const auto json = options_to_json(sample);
    EXPECT_EQ(json.at("limit"), 1);
    EXPECT_TRUE(json.at("most").is_null());
}

}  // namespace
}  // namespace moebert
