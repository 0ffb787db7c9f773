#include "train/adamw.h"

#include <ATen/Parallel.h>

#include "train/support.h"

namespace moebert {
namespace {

using test::relative_error;

// Parameters of several shapes, one of them a bias, under both optimisers.
class AdamWTest : public testing::Test {
protected:
    AdamWTest() {
        torch::manual_seed(1);
        for (const auto& shape : std::vector<std::vector<std::int64_t>>{{7, 5}, {300, 257}, {1}}) {
            ours.push_back(torch::randn(shape).requires_grad_());
            theirs.push_back(ours.back().detach().clone().requires_grad_());
        }
    }
    AdamW optimizer(double weight_decay) {
        return {{{{"a.weight"}, &ours[0]}, {{"b.weight"}, &ours[1]}, {{"c.bias"}, &ours[2]}},
                {0.9, 0.98, 1e-6, weight_decay}};
    }
    torch::optim::AdamW reference(double weight_decay) {
        const auto setting = [&](double decay) {
            return std::make_unique<torch::optim::AdamWOptions>(
                torch::optim::AdamWOptions(1e-2).betas({0.9, 0.98}).eps(1e-6).weight_decay(decay));
        };
        std::vector<torch::optim::OptimizerParamGroup> groups;
        groups.emplace_back(std::vector<torch::Tensor>{theirs[0], theirs[1]}, setting(weight_decay));
        groups.emplace_back(std::vector<torch::Tensor>{theirs[2]}, setting(0.0));
        return torch::optim::AdamW(groups, torch::optim::AdamWOptions(1e-2));
    }
    void give_gradients(double size = 1.0) {
        for (std::size_t i = 0; i < ours.size(); ++i) {
            const auto grad = size * torch::randn_like(ours[i]);
            ours[i].mutable_grad() = grad.clone();
            theirs[i].mutable_grad() = grad.clone();
        }
    }
    void expect_equal() const {
        for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_LE(relative_error(ours[i], theirs[i]), 1e-6) << i;
    }

    std::vector<torch::Tensor> ours, theirs;
};

TEST_F(AdamWTest, StepsAsLibtorchsWithAndWithoutDecayWhichBiasesNeverHave) {
    for (const double decay : {0.0, 0.1}) {
        auto own = optimizer(decay);
        auto other = reference(decay);
        for (int step = 0; step < 5; ++step) {
            give_gradients();
            own.step(1e-2, 0.0);
            other.step();
        }
        expect_equal();
    }
}

TEST_F(AdamWTest, ClipsToTheNormOverAllParameters) {
    auto own = optimizer(0.0);
    auto other = reference(0.0);
    for (const double size : {10.0, 1e-6}) {  // above the limit, and below
        give_gradients(size);
        double squares = 0.0;
        for (const auto& parameter : theirs) squares += parameter.grad().square().sum().item<double>();
        torch::nn::utils::clip_grad_norm_(theirs, 0.5);
        EXPECT_NEAR(own.step(1e-2, 0.5), std::sqrt(squares), 1e-5 * std::sqrt(squares));
        other.step();
    }
    expect_equal();
}

TEST_F(AdamWTest, DropsGradientsAndLeavesAloneWhatHasNone) {
    auto own = optimizer(0.1);
    give_gradients();
    ours[1].mutable_grad().reset();
    const auto before = ours[1].detach().clone();
    own.step(1e-2, 0.0);
    EXPECT_TRUE(torch::equal(ours[1].detach(), before));
    EXPECT_FALSE(torch::equal(ours[0].detach(), theirs[0].detach()));
    for (const auto& parameter : ours) EXPECT_FALSE(parameter.grad().defined());
}

TEST_F(AdamWTest, GivesTheSameForAnyNumberOfThreads) {
    const auto start = ours[1].detach().clone(), grad = torch::randn_like(start);
    std::vector<torch::Tensor> results;
    for (const int threads : {1, 2}) {
        at::set_num_threads(threads);
        ours[1] = start.clone().requires_grad_();
        auto own = optimizer(0.1);
        ours[1].mutable_grad() = grad.clone();
        own.step(1e-2, 1.0);
        results.push_back(ours[1].detach().clone());
    }
    at::set_num_threads(1);
    EXPECT_TRUE(torch::equal(results[0], results[1]));
}

TEST(Parameter, DecaysUnlessItIsABiasOrALayerNormWeight) {
    torch::Tensor none;
    EXPECT_TRUE((Parameter{{"bert.encoder.layer.0.output.dense.weight"}, &none}.decays()));
    EXPECT_TRUE((Parameter{{"bert.embeddings.word_embeddings.weight"}, &none}.decays()));
    EXPECT_TRUE((Parameter{{"bert.encoder.layer.0.experts.gate.weight"}, &none}.decays()));
    EXPECT_FALSE((Parameter{{"bert.encoder.layer.0.output.dense.bias"}, &none}.decays()));
    EXPECT_FALSE((Parameter{{"bert.encoder.layer.0.output.LayerNorm.weight"}, &none}.decays()));
    EXPECT_FALSE((Parameter{{"bert.encoder.layer.0.experts.experts.1.LayerNorm.weight"}, &none}.decays()));
}

}  // namespace
}  // namespace moebert
