#include "moe/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "io/safetensors.h"
#include "io/support.h"
#include "moe/build_student.h"
#include "moe/hash_table.h"

namespace moebert {
namespace {

using test::fixtures;
using Experts = std::vector<std::vector<std::int64_t>>;

std::vector<std::int64_t> numbers(std::int64_t count) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

bool is_permutation(std::vector<std::int64_t> order) {
    std::sort(order.begin(), order.end());
    return order == numbers(std::ssize(order));
}

TEST(AssignNeurons, GivesTheSharedOnesToAllAndDealsTheRestInTurn) {
    EXPECT_EQ(assign_neurons(numbers(10), {2, 4, 2, 10}), (Experts{{0, 1, 2, 4}, {0, 1, 3, 5}}));
}

TEST(AssignNeurons, TakesRanksOfTheOrderNotNumbersOfNeurons) {
    EXPECT_EQ(assign_neurons({5, 3, 1, 0, 2, 4}, {2, 3, 1, 6}), (Experts{{5, 3, 0}, {5, 1, 2}}));
}

TEST(AssignNeurons, CanShareNoneOrAll) {
    EXPECT_EQ(assign_neurons(numbers(6), {3, 2, 0, 6}), (Experts{{0, 3}, {1, 4}, {2, 5}}));
    EXPECT_EQ(assign_neurons(numbers(6), {2, 3, 3, 6}), (Experts{{0, 1, 2}, {0, 1, 2}}));
    EXPECT_EQ(assign_neurons(numbers(3), {2, 3, 3, 3}), (Experts{{0, 1, 2}, {0, 1, 2}}));
}

TEST(AssignNeurons, MakesOneExpertOfAllNeuronsTheDenseLayer) {
    EXPECT_EQ(assign_neurons(numbers(5), {1, 5, 2, 5}), (Experts{{0, 1, 2, 3, 4}}));
}

TEST(AssignNeurons, LeavesOutWhatDoesNotFit) {
    // (7 - 1) / 4 = 1 each: neurons 5 and 6 are in no expert.
    EXPECT_EQ(assign_neurons(numbers(7), {4, 2, 1, 7}), (Experts{{0, 1}, {0, 2}, {0, 3}, {0, 4}}));
}

TEST(AssignNeurons, EqualsTheAuthorsSplitsOfTheFixtures) {
    for (const char* folder : {"cls3", "reg", "qa"}) {
        const auto scores = load_importance(fixtures / folder / "importance.pkl");
        int compared = 0;
        for (const auto& [name, expected] : read_safetensors(fixtures / folder / "splits_expected.safetensors")) {
            long long n = 0, d = 0, s = 0, layer = 0;
            ASSERT_EQ(std::sscanf(name.c_str(), "N%lld_dim%lld_share%lld.layer%lld", &n, &d, &s, &layer), 4) << name;
            std::vector<std::int64_t> flat;
            for (const auto& expert :
                 assign_neurons(scores.order.at(static_cast<std::size_t>(layer)), {n, d, s, scores.neurons()}))
                flat.insert(flat.end(), expert.begin(), expert.end());
            EXPECT_TRUE(std::ranges::equal(flat, expected.as<std::int64_t>())) << folder << " " << name;
            ++compared;
        }
        EXPECT_GT(compared, 10) << folder;
    }
}

TEST(CheckSplit, RefusesFewerThanOneExpert) {
    EXPECT_ERROR(check_split({0, 2, 1, 8}), "num_experts: 0 given; expected 1 to 512");
    EXPECT_ERROR(check_split({513, 1, 0, 1024}), "num_experts: 513 given; expected 1 to 512");
    EXPECT_ERROR(check_split({-4, 2, 1, 8}), "num_experts: -4 given");
}

TEST(CheckSplit, RefusesExpertsWithoutNeurons) {
    EXPECT_ERROR(check_split({4, 0, 0, 8}), "expert_size: 0 given; at least 1");
    EXPECT_ERROR(check_split({4, -1, 0, 8}), "expert_size: -1 given");
}

TEST(CheckSplit, RefusesANegativeShare) { EXPECT_ERROR(check_split({4, 2, -1, 8}), "shared_size: -1 given"); }

TEST(CheckSplit, RefusesAShareLargerThanAnExpert) {
    EXPECT_ERROR(check_split({4, 2, 3, 8}), "shared_size: 3 given; it can't be larger than expert_size, 2");
}

TEST(CheckSplit, RefusesExpertsLargerThanTheShareAndAnEqualPartOfTheRest) {
    EXPECT_NO_THROW(check_split({4, 1024, 512, 3072 - 512}));  // 512 + 2048 / 4
    EXPECT_ERROR(check_split({4, 1025, 512, 3072 - 512}), "can have at most 1024 each");
    EXPECT_NO_THROW(check_split({3, 4, 1, 12}));  // 1 + floor(11 / 3)
    EXPECT_ERROR(check_split({3, 5, 1, 12}), "at most 4 each");
    EXPECT_ERROR(check_split({2, 9, 9, 8}), "expert_size: 9 given");
}

TEST(CheckSplit, IsAnErrorOfUsage) { EXPECT_THROW(check_split({0, 2, 1, 8}), UsageError); }

TEST(SplitMethod, IsKnownByItsName) {
    for (const auto method : {SplitMethod::importance, SplitMethod::random, SplitMethod::inverse})
        EXPECT_EQ(parse_split_method(to_string(method)), method);
    EXPECT_ERROR(parse_split_method("Importance"), "split_method: 'Importance' is unknown; expected importance");
}

TEST(NeuronOrders, OfImportanceFallInScoreAndOfInverseRise) {
    const auto scores = make_importance({{1, 5, 3}, {2, 0, 9}}, {});
    EXPECT_EQ(neuron_orders(SplitMethod::importance, &scores, 2, 3, 0), (Experts{{1, 2, 0}, {2, 0, 1}}));
    EXPECT_EQ(neuron_orders(SplitMethod::inverse, &scores, 2, 3, 0), (Experts{{0, 2, 1}, {1, 0, 2}}));
}

TEST(NeuronOrders, OfRandomArePermutationsThatTheSeedDecides) {
    const auto orders = neuron_orders(SplitMethod::random, nullptr, 3, 100, 7);
    ASSERT_EQ(orders.size(), 3U);
    for (const auto& order : orders) {
        EXPECT_EQ(order.size(), 100U);
        EXPECT_TRUE(is_permutation(order));
        EXPECT_NE(order, numbers(100));
    }
    EXPECT_NE(orders[0], orders[1]);
    EXPECT_EQ(neuron_orders(SplitMethod::random, nullptr, 3, 100, 7), orders);
    EXPECT_NE(neuron_orders(SplitMethod::random, nullptr, 3, 100, 8), orders);
}

TEST(NeuronOrders, NeedScoresOfTheModelsShape) {
    const auto scores = make_importance({{1, 5, 3}, {2, 0, 9}}, {});
    EXPECT_ERROR(neuron_orders(SplitMethod::importance, &scores, 3, 3, 0),
                 "2 layers of 3 neurons; the model has 3 layers of 3");
    EXPECT_ERROR(neuron_orders(SplitMethod::inverse, &scores, 2, 4, 0), "the model has 2 layers of 4");
    EXPECT_ERROR(neuron_orders(SplitMethod::importance, nullptr, 2, 3, 0), "importance needs importance scores");
}

class SplitCheckpoint : public testing::TestWithParam<RouteMethod> {
protected:
    Checkpoint dense = load_checkpoint(fixtures / "cls3/dense");
    Importance scores = load_importance(fixtures / "cls3/importance.pkl");
    MoeConfig moe{4, 16, 8, GetParam(), 0.25};

    Checkpoint split(std::uint64_t seed) const {
        const auto balanced = balanced_hash_table(std::vector<std::int64_t>(97, 1), 4, 0);
        const auto tables = make_hash_tables(moe.route_method, 3, 97, 4, seed, balanced);
        return split_checkpoint(dense, moe, scores.order, tables, seed);
    }
};

TEST_P(SplitCheckpoint, HasExactlyTheTensorsOfAMixtureAndKeepsItsSettings) {
    const auto student = split(1);
    ASSERT_TRUE(student.config.moe);
    EXPECT_EQ(student.config.moe->expert_dropout, 0.25);
    EXPECT_EQ(student.config.moe->route_method, GetParam());
    const auto table = tensor_table(student.config);
    EXPECT_EQ(student.tensors.size(), table.size());
    for (const auto& spec : table) {
        ASSERT_TRUE(student.tensors.contains(spec.name)) << spec.name;
        EXPECT_EQ(student.tensors.at(spec.name).shape, spec.shape) << spec.name;
        EXPECT_EQ(student.tensors.at(spec.name).dtype, spec.dtype) << spec.name;
    }
}

TEST_P(SplitCheckpoint, HoldsTheWeightsThatTheAuthorsSplitHolds) {
    const auto student = split(1);
    int compared = 0;
    for (const auto& [name, tensor] :
         read_safetensors(fixtures / "cls3" / ("moe_" + to_string(GetParam()) + ".safetensors"))) {
        if (name.ends_with("gate.weight") || name.ends_with("hash_list")) continue;  // random
        EXPECT_TRUE(test::same(student.tensors.at(name), tensor)) << name;
        ++compared;
    }
    EXPECT_GT(compared, 3 * 4 * 6);
}

TEST_P(SplitCheckpoint, TakesTheDenseNeuronsRowsBiasesAndColumns) {
    const auto student = split(1);
    const auto experts = assign_neurons(scores.order[2], {4, 16, 8, 64});
    const std::string layer = "bert.encoder.layer.2.";
    const auto up = dense.tensors.at(layer + "intermediate.dense.weight").as<float>();
    const auto up_bias = dense.tensors.at(layer + "intermediate.dense.bias").as<float>();
    const auto down = dense.tensors.at(layer + "output.dense.weight").as<float>();
    for (std::size_t e = 0; e < 4; ++e) {
        const auto prefix = fmt::format("{}experts.experts.{}.", layer, e);
        const auto fc1 = student.tensors.at(prefix + "fc1.weight").as<float>();
        const auto fc1_bias = student.tensors.at(prefix + "fc1.bias").as<float>();
        const auto fc2 = student.tensors.at(prefix + "fc2.weight").as<float>();
        for (std::size_t j = 0; j < 16; ++j) {
            const auto neuron = static_cast<std::size_t>(experts[e][j]);
            EXPECT_EQ(fc1_bias[j], up_bias[neuron]);
            for (std::size_t h = 0; h < 32; ++h) {
                EXPECT_EQ(fc1[j * 32 + h], up[neuron * 32 + h]);
                EXPECT_EQ(fc2[h * 16 + j], down[h * 64 + neuron]);
            }
        }
    }
}

TEST_P(SplitCheckpoint, IsTheSameForTheSameSeedAndElseDiffersInTheRouter) {
    const auto once = split(1), again = split(1), other = split(2);
    EXPECT_EQ(checkpoint_digest(once), checkpoint_digest(again));
    const bool random = GetParam() != RouteMethod::hash_balance;
    for (const auto& [name, tensor] : once.tensors) {
        const bool router = name.ends_with("gate.weight") || name.ends_with("hash_list");
        EXPECT_EQ(test::same(tensor, other.tensors.at(name)), !(router && random)) << name;
    }
}

TEST_P(SplitCheckpoint, DrawsRoutersWithinTheirRange) {
    for (const auto& [name, tensor] : split(1).tensors) {
        if (name.ends_with("gate.weight")) {
            for (const float weight : tensor.as<float>()) EXPECT_LE(std::abs(weight), 1.0F / std::sqrt(32.0F));
        } else if (name.ends_with("hash_list")) {
            for (const auto expert : tensor.as<std::int64_t>()) EXPECT_TRUE(expert >= 0 && expert < 4);
        }
    }
}

TEST_P(SplitCheckpoint, RefusesAMixture) {
    const auto student = split(1);
    EXPECT_ERROR(split_checkpoint(student, moe, scores.order, {}, 0), "mixture of experts already");
}

INSTANTIATE_TEST_SUITE_P(Methods, SplitCheckpoint,
                         testing::Values(RouteMethod::hash_random, RouteMethod::hash_balance, RouteMethod::gate_token,
                                         RouteMethod::gate_sentence),
                         [](const auto& param_info) {
                             auto name = to_string(param_info.param);
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

class BuildStudent : public test::InFolder {
protected:
    Checkpoint dense = load_checkpoint(fixtures / "cls3/dense");
    StudentPlan plan{{4, 16, 8, RouteMethod::hash_random, 0.1}, SplitMethod::random, "", 3};
};

TEST_F(BuildStudent, UsesTheHashListForEveryLayer) {
    plan.moe.route_method = RouteMethod::hash_balance;
    plan.hash_list = fixtures / "cls3/balance.pkl";
    const auto student = build_student(dense, plan, nullptr);
    const auto list = load_hash_list(plan.hash_list, 97, 4);
    for (int k = 0; k < 3; ++k)
        EXPECT_TRUE(std::ranges::equal(
            student.tensors.at(fmt::format("bert.encoder.layer.{}.experts.hash_list", k)).as<std::int64_t>(), list));
}

TEST_F(BuildStudent, LoadsAsACheckpointAndSavesTheSameAgain) {
    const auto student = build_student(dense, plan, nullptr);
    save_checkpoint(folder / "student", student.config, student.tensors);
    const auto loaded = load_checkpoint(folder / "student");
    EXPECT_EQ(checkpoint_digest(loaded), checkpoint_digest(student));
    EXPECT_TRUE(loaded.missing.empty());
    EXPECT_EQ(loaded.config.moe->shared_size, 8);
}

TEST_F(BuildStudent, RefusesHashBalanceWithoutAList) {
    plan.moe.route_method = RouteMethod::hash_balance;
    EXPECT_ERROR(check_hash_list(plan), "--hash_list is needed");
    EXPECT_ERROR(build_student(dense, plan, nullptr), "--hash_list is needed");
}

TEST_F(BuildStudent, TakesAListThatIsNoFile) {
    plan.moe.route_method = RouteMethod::hash_balance;
    plan.balanced.assign(97, 2);
    const auto student = build_student(dense, plan, nullptr);
    EXPECT_EQ(student.tensors.at("bert.encoder.layer.2.experts.hash_list").as<std::int64_t>()[96], 2);
}

TEST_F(BuildStudent, RefusesADropoutThatIsNoProbability) {
    for (const double p : {-0.1, 1.0, 1.5, std::nan("")}) {
        plan.moe.expert_dropout = p;
        EXPECT_ERROR(check_plan(plan, dense.config), "expert_dropout") << p;
    }
}

TEST_F(BuildStudent, RefusesAMixtureOfExperts) {
    auto config = dense.config;
    config.moe = plan.moe;
    EXPECT_ERROR(check_plan(plan, config), "mixture of experts already");
}

TEST_F(BuildStudent, RefusesScoresOfAnotherModelsShape) {
    const auto file = fixtures / "authors_importance/importance_rte.pkl";
    const auto scores = load_importance(file);
    plan.split_method = SplitMethod::importance;
    EXPECT_ERROR(build_student(dense, plan, &scores), "12 layers of 3072 neurons; the model has 3 layers of 64");
    EXPECT_ERROR(load_scores(file, dense, {}),
                 file.string() + ": scores of 12 layers of 3072 neurons; the model has 3 layers of 64");
}

TEST_F(BuildStudent, WarnsOfScoresOfOtherWeights) {
    std::vector<std::string> warnings;
    Sink sink;
    sink.on_warning = [&](std::string_view text) { warnings.emplace_back(text); };
    auto scores = load_importance(fixtures / "cls3/importance.pkl");
    for (const std::string& digest : {std::string(), checkpoint_digest(dense), std::string("another")}) {
        scores.source.model_digest = digest;
        save_importance(folder / "scores.safetensors", scores);
        load_scores(folder / "scores.safetensors", dense, sink);
    }
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_PRED2(test::contains, warnings[0], "the scores are of another model than " + dense.directory.string());
}

}  // namespace
}  // namespace moebert
