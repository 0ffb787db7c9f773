#include "train/moe_layer.h"

#include "train/support.h"

namespace moebert {
namespace {

struct Layer {
    std::vector<FeedForward> experts;

    // Of H 12 and D 20.
    explicit Layer(std::size_t count) {
        torch::manual_seed(3);
        for (std::size_t e = 0; e < count; ++e)
            experts.push_back({{torch::randn({20, 12}), torch::randn({20})},
                               {torch::randn({12, 20}), torch::randn({12})},
                               {torch::randn({12}), torch::randn({12})}});
        for (auto* weight : weights()) weight->set_requires_grad(true);
    }

    std::vector<torch::Tensor*> weights() {
        std::vector<torch::Tensor*> all;
        for (auto& e : experts)
            for (auto* tensor : {&e.up.weight, &e.up.bias, &e.down.weight, &e.down.bias, &e.norm.weight, &e.norm.bias})
                all.push_back(tensor);
        return all;
    }
};

// Expert 2 has no row, expert 0 most of them.
TEST(ApplyExperts, ByAllAtOnceIsTheSameForwardAndBackward) {
    Layer one_by_one(4), all_at_once(4);
    const auto base = torch::randn({9, 12}), direction = torch::randn({9, 12});
    auto x = base.clone().requires_grad_(), y = base.clone().requires_grad_();
    for (const bool gated : {false, true}) {
        Routing routing;
        routing.expert = torch::tensor(std::vector<std::int64_t>{0, 3, 0, 0, 1, 0, 3, 0, 0});
        if (gated) routing.probability = torch::rand({9, 1});
        const FeedForwardSetting setting{"gelu", 1e-12, torch::kFloat32, {}};
        const auto expected = apply_experts(one_by_one.experts, routing, x, setting),
                   found = apply_experts_batched(all_at_once.experts, routing, y, setting);
        EXPECT_LE(test::relative_error(found, expected), test::kRounding);
        (expected * direction).sum().backward();
        (found * direction).sum().backward();
        EXPECT_LE(test::relative_error(y.grad(), x.grad()), test::kRounding);
        const auto theirs = one_by_one.weights(), ours = all_at_once.weights();
        for (std::size_t i = 0; i < ours.size(); ++i) {
            ASSERT_EQ(ours[i]->grad().defined(), i / 6 != 2) << i;
            if (i / 6 != 2) {
                EXPECT_LE(test::relative_error(ours[i]->grad(), theirs[i]->grad()), test::kRounding) << i;
            }
        }
    }
}

TEST(Layout, PadsSentencesToTheLongest) {
    const auto layout = make_layout({0, 2, 5, 6}, {2, 3, 1});
    EXPECT_EQ(layout.longest, 3);
    EXPECT_TRUE(layout.padded.slot_of_row.equal(torch::tensor(std::vector<std::int64_t>{0, 1, 3, 4, 5, 6})));
    EXPECT_TRUE(layout.padded.row_of_slot.index_select(0, layout.padded.slot_of_row).equal(torch::arange(6)));
    const auto is_row = torch::tensor({1, 1, 0, 1, 1, 1, 1, 0, 0}).to(torch::kBool);
    EXPECT_TRUE(layout.padded.has_row.view({-1}).equal(is_row));
    EXPECT_TRUE(layout.key_bias.eq(0).view({-1}).equal(is_row));
    EXPECT_FALSE(make_layout({0, 2, 4}, {2, 2}).key_bias.defined());
    EXPECT_EQ(make_layout({0, 2, 4}, {2, 1}).key_bias[1][1].item<float>(), -INFINITY);  // padded on purpose
}

}  // namespace
}  // namespace moebert
