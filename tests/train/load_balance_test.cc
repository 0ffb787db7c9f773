#include "train/load_balance.h"

#include "train/support.h"

namespace moebert {
namespace {

ModelConfig config_of(RouteMethod method, std::int64_t experts = 4) {
    ModelConfig config;
    config.num_hidden_layers = 2;
    config.moe = MoeConfig{experts, 16, 8, method, 0.0};
    return config;
}

const ExpertLoad equal = {{25, 25, 25, 25}, {25, 25, 25, 25}}, collapsed = {{25, 25, 25, 25}, {97, 1, 1, 1}};

TEST(LoadBalance, IsTheNumberThatIsGivenWhateverTheLoad) {
    LoadBalance balance("0.25");
    EXPECT_FALSE(balance.is_auto());
    balance.observe(collapsed);
    EXPECT_EQ(balance.weight(), 0.25);
    EXPECT_EQ(balance.setting(), 0.25);
    EXPECT_EQ(LoadBalance("auto").setting(), "auto");
}

TEST(LoadBalance, RefusesWhatIsNoWeight) {
    for (const char* option : {"-1", "nan", "inf", "much", "0.1x", ""})
        EXPECT_ERROR(LoadBalance{option}, "load_balance: '" + std::string(option) + "' given; expected a number");
}

TEST(LoadBalance, AutoFallsWhileExpertsAreInUseAndGrowsWhileTheyAreNot) {
    LoadBalance balance("auto");
    double last = balance.weight();
    EXPECT_EQ(last, LoadBalance::kMost);
    for (int step = 0; step < 400; ++step) {
        balance.observe(equal);
        EXPECT_LE(balance.weight(), last);
        last = balance.weight();
    }
    EXPECT_EQ(last, LoadBalance::kLeast);
    for (int step = 0; step < 100; ++step) balance.observe(collapsed);
    EXPECT_EQ(balance.weight(), LoadBalance::kMost);
}

// One step's load is little beside those before it.
TEST(LoadBalance, AutoIsNotMovedByOneStep) {
    LoadBalance balance("auto");
    for (int step = 0; step < 30; ++step) balance.observe(equal);
    const double before = balance.weight();
    balance.observe(collapsed);
    EXPECT_LT(balance.weight(), before);
}

TEST(LoadBalance, AutoGoesOnFromACheckpointBitForBit) {
    const auto config = config_of(RouteMethod::gate_token);
    LoadBalance whole("auto");
    for (int step = 0; step < 7; ++step) whole.observe(step % 3 == 0 ? equal : collapsed);
    LoadBalance resumed("auto");
    resumed.restore(nlohmann::json::parse(whole.state().dump()), config);
    for (int step = 0; step < 9; ++step) {
        whole.observe(step % 4 == 0 ? collapsed : equal);
        resumed.observe(step % 4 == 0 ? collapsed : equal);
        EXPECT_EQ(resumed.weight(), whole.weight());
    }
}

TEST(LoadBalance, OfACheckpointThatNoRunCanHaveIsRefused) {
    const auto config = config_of(RouteMethod::gate_token);
    LoadBalance balance("auto");
    balance.observe(equal);
    const auto refuse = [&](const char* key, const nlohmann::json& value) {
        auto state = balance.state();
        state[key] = value;
        EXPECT_ERROR(LoadBalance("auto").restore(state, config), "load_balance." + std::string(key));
    };
    refuse("weight", -1.0);
    refuse("weight", 2.0);
    refuse("recent", {{1.0, 1.0}, {1.0, 1.0}});
    refuse("recent", {{1.0, 1.0, 1.0, -1.0}, {1.0, 1.0, 1.0, 1.0}});
}

class Watch : public testing::Test {
protected:
    std::vector<std::string> watch(const ModelConfig& config, const std::vector<ExpertLoad>& steps) {
        std::vector<std::string> warnings;
        Sink sink;
        sink.on_warning = [&](std::string_view text) { warnings.emplace_back(text); };
        LoadWatch watch(config, sink);
        std::int64_t step = 0;
        for (const auto& load : steps) watch.observe(load, ++step);
        watch.finish(step);
        return warnings;
    }
};

TEST_F(Watch, NamesLayerExpertShareAndRemedyOnceAndAtTheEnd) {
    const auto found = watch(config_of(RouteMethod::gate_token), std::vector(1000, collapsed));
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(
        found[0],
        "step 100: layer 1: expert 0 gets 97 % of the tokens, the other 3 share the rest: give --load_balance auto, "
        "or a larger weight");
    EXPECT_TRUE(found[1].starts_with("step 1000: "));
}

TEST_F(Watch, SaysNothingOfABalancedRunNorOfItsFirstSteps) {
    EXPECT_TRUE(watch(config_of(RouteMethod::gate_token), std::vector(200, equal)).empty());
    std::vector<ExpertLoad> steps(50, collapsed);
    steps.resize(200, equal);
    EXPECT_TRUE(watch(config_of(RouteMethod::gate_token), steps).empty());
}

TEST_F(Watch, SpeaksOfSentencesAndOfTablesWhereTheseAreRouted) {
    EXPECT_PRED2(test::contains, watch(config_of(RouteMethod::gate_sentence), std::vector(60, collapsed)).at(0),
                 "of the sentences");
    EXPECT_PRED2(test::contains, watch(config_of(RouteMethod::hash_random), std::vector(60, collapsed)).at(0),
                 "hash-balance");
}

TEST_F(Watch, NeedsMoreThanOneExpertAndEnoughTokens) {
    EXPECT_TRUE(watch(config_of(RouteMethod::gate_token, 1), std::vector(200, ExpertLoad{{100}, {100}})).empty());
    EXPECT_TRUE(watch(config_of(RouteMethod::gate_token), std::vector(49, collapsed)).empty());
    EXPECT_TRUE(watch(config_of(RouteMethod::gate_token), std::vector(200, ExpertLoad{{1, 0, 0, 0}})).empty());
}

}  // namespace
}  // namespace moebert
