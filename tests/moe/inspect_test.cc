#include "moe/inspect.h"

#include "io/safetensors.h"
#include "io/support.h"
#include "moe/build_student.h"
#include "moe/cost.h"
#include "moe/hash_table.h"

namespace moebert {
namespace {

using test::fixtures;
class Inspect : public test::InFolder {
protected:
    // cls3's shape: L 3, H 32, I 64, V 97, P 40, 3 labels.
    static constexpr std::int64_t kAttention = 4 * (32 * 32 + 32) + 2 * 32,
                                  kFeedForward = 2 * 32 * 64 + 64 + 32 + 2 * 32,
                                  kEmbeddings = (97 + 40 + 2) * 32 + 2 * 32, kHead = 32 * 32 + 32 + 3 * 32 + 3;

    std::filesystem::path put_student(RouteMethod method, double overlap_of_all = 0) const {
        const auto dense = load_checkpoint(fixtures / "cls3/dense");
        StudentPlan plan{{4, overlap_of_all > 0 ? 8 : 16, 8, method, 0.1}, SplitMethod::random, "", 3};
        const auto student = build_student(dense, plan, nullptr);
        save_checkpoint(folder / "student", student.config, student.tensors);
        return folder / "student";
    }
};

TEST_F(Inspect, CountsWhatTheConfigurationSays) {
    for (const auto& folder_of : {fixtures / "cls3/dense", put_student(RouteMethod::gate_token)}) {
        const auto found = inspect(folder_of);
        const auto config = read_model_config(folder_of / "config.json");
        EXPECT_EQ(found.at("parameters"), parameter_count(config));
        EXPECT_EQ(found.at("flops_of_a_token").at("feed_forward"), 2 * feed_forward_multiply_adds(config));
    }
}

TEST_F(Inspect, OfADenseCheckpointCountsParametersAndWork) {
    const auto found = inspect(fixtures / "cls3/dense");
    EXPECT_EQ(found.at("kind"), "dense");
    EXPECT_EQ(found.at("problem_type"), "classification");
    EXPECT_EQ(found.at("labels").size(), 3U);
    EXPECT_EQ(found.at("num_hidden_layers"), 3);
    EXPECT_EQ(found.at("parameters"), kEmbeddings + 3 * (kAttention + kFeedForward) + kHead);
    EXPECT_EQ(found.at("parameters_used_by_a_token"),
              found.at("parameters").get<std::int64_t>() - (97 + 40 + 2 - 3) * 32);
    EXPECT_EQ(found.at("flops_of_a_token").at("feed_forward"), 3 * 2 * 2 * 32 * 64);
    EXPECT_EQ(found.at("flops_of_a_token").at("attention_projections"), 3 * 2 * 4 * 32 * 32);
    EXPECT_EQ(found.at("digest").get<std::string>().size(), 32U);
    EXPECT_TRUE(found.at("missing").empty());
    EXPECT_FALSE(found.contains("moe"));
}

TEST_F(Inspect, OfAMixtureCountsOneExpertATokenAndTheExpertsOverlap) {
    const auto found = inspect(put_student(RouteMethod::hash_random));
    constexpr std::int64_t kExpert = 2 * 32 * 16 + 16 + 32 + 2 * 32;
    EXPECT_EQ(found.at("kind"), "mixture of experts");
    EXPECT_EQ(found.at("parameters"), kEmbeddings + 3 * (kAttention + 4 * kExpert) + kHead);
    EXPECT_EQ(found.at("parameters_used_by_a_token"), 3 * 32 + 2 * 32 + 3 * (kAttention + kExpert) + kHead);
    EXPECT_EQ(found.at("flops_of_a_token").at("feed_forward"), 3 * 2 * 2 * 32 * 16);
    EXPECT_EQ(found.at("moe").at("route_method"), "hash-random");
    EXPECT_EQ(found.at("moe").at("num_experts"), 4);
    EXPECT_EQ(found.at("moe").at("expert_overlap"), (nlohmann::json{0.5, 0.5, 0.5}));  // 8 of 16 are shared
}

TEST_F(Inspect, OfExpertsThatShareAllShowsFullOverlap) {
    EXPECT_EQ(inspect(put_student(RouteMethod::hash_random, 1)).at("moe").at("expert_overlap"),
              (nlohmann::json{1.0, 1.0, 1.0}));
}

TEST_F(Inspect, OfAGatedMixtureCountsTheGate) {
    const auto found = inspect(put_student(RouteMethod::gate_token));
    EXPECT_EQ(found.at("moe").at("route_method"), "gate-token");
    EXPECT_EQ(found.at("flops_of_a_token").at("feed_forward"), 3 * 2 * (2 * 32 * 16 + 4 * 32));
}

TEST_F(Inspect, OfImportanceScoresShowsHowConcentratedTheyAre) {
    save_importance(folder / "scores.safetensors",
                    make_importance({{8, 1, 1, 0, 0, 0, 0, 0}}, {"digest", "rte", "train", 5, 0, 1, {}}));
    const auto found = inspect(folder / "scores.safetensors");
    EXPECT_EQ(found.at("kind"), "importance scores");
    EXPECT_EQ(found.at("layers"), 1);
    EXPECT_EQ(found.at("neurons"), 8);
    EXPECT_EQ(found.at("task"), "rte");
    EXPECT_EQ(found.at("examples"), 5);
    EXPECT_DOUBLE_EQ(found.at("concentration").at(0).at("mass_of_top_1_4"), 0.9);
    EXPECT_DOUBLE_EQ(found.at("concentration").at(0).at("mass_of_top_1_2"), 1.0);
}

TEST_F(Inspect, OfTheAuthorsPicklesTellsScoresAndHashListsApart) {
    EXPECT_EQ(inspect(fixtures / "authors_importance/importance_rte.pkl").at("kind"), "importance scores");
    const auto list = inspect(fixtures / "cls3/balance.pkl");
    EXPECT_EQ(list.at("kind"), "hash list");
    EXPECT_EQ(list.at("vocab_size"), 97);
    EXPECT_EQ(list.at("num_experts"), 4);
    std::int64_t tokens = 0;
    for (const auto& count : list.at("tokens_of_expert")) tokens += count.get<std::int64_t>();
    EXPECT_EQ(tokens, 97);
}

TEST_F(Inspect, OfOtherTensorFilesListsTheTensors) {
    for (const char* name : {"inputs.safetensors", "dense/pytorch_model.bin"}) {
        const auto found = inspect(fixtures / "cls3" / name);
        EXPECT_EQ(found.at("kind"), "tensors") << name;
        EXPECT_GE(found.at("tensors").size(), 4U) << name;
        EXPECT_TRUE(found.at("tensors").at(0).contains("shape")) << name;
    }
}

TEST_F(Inspect, OfWhatItDoesNotKnowIsAnErrorThatNamesIt) {
    EXPECT_ERROR(inspect(folder / "none"), "none");
    EXPECT_ERROR(inspect(folder / "none.pkl"), "none.pkl");
    EXPECT_ERROR(inspect(folder), "config.json");
    EXPECT_ERROR(inspect(put("notes.md", "text")), "expected a checkpoint directory or a .safetensors");
    EXPECT_ERROR(inspect(put("broken.pkl", "text")), "broken.pkl");
    EXPECT_ERROR(inspect(put("broken.bin", "text")), "broken.bin");
    EXPECT_ERROR(inspect(put("broken.safetensors", "text")), "broken.safetensors");
}

}  // namespace
}  // namespace moebert
