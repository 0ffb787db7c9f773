// The model on packed batches: kernels against their plain twins, and results that depend on nothing but the sentence.
#include "train/adamw.h"
#include "train/importance_pass.h"
#include "train/losses.h"
#include "train/support.h"

namespace moebert {
namespace {

using test::first_indices;
using test::kRounding;
using test::layout_of;
using test::random_features;

void expect_near(const torch::Tensor& actual, const torch::Tensor& expected, double bound = kRounding) {
    EXPECT_LE(test::relative_error(actual, expected), bound);
}

TEST(Attention, EqualsItsPlainTwinForwardAndBackward) {
    torch::manual_seed(1);
    for (const Heads heads : {Heads{1, 8}, Heads{3, 5}, Heads{4, 33}}) {
        const auto layout = layout_of({1, 7, 64, 130});
        const auto hidden = heads.count * heads.size;
        const auto base = torch::randn({layout->rows(), 3 * hidden}), weight = torch::randn({layout->rows(), hidden});
        auto fast = base.clone().requires_grad_(), plain = base.clone().requires_grad_();
        const auto fast_out = attention(fast, layout, heads, {}),
                   plain_out = attention_plain(plain, *layout, heads, 0.0);
        expect_near(fast_out.detach(), plain_out.detach());
        (fast_out * weight).sum().backward();
        (plain_out * weight).sum().backward();
        expect_near(fast.grad(), plain.grad());
    }
}

// The loss is linear in what dropout keeps, so that a difference quotient sees the same mask or fails.
TEST(Attention, DropsTheSameProbabilitiesBackwardAsForward) {
    torch::manual_seed(2);
    const auto layout = layout_of({9, 4});
    const Heads heads{2, 6};
    auto qkv = torch::randn({13, 36}).requires_grad_();
    const auto weight = torch::randn({13, 12}), direction = torch::randn({13, 36});
    const auto loss = [&](const torch::Tensor& x) { return (attention(x, layout, heads, {0.4F, 77}) * weight).sum(); };
    loss(qkv).backward();
    torch::NoGradGuard no_grad;
    const double step = 1e-2;
    const double quotient = (loss(qkv + step * direction) - loss(qkv - step * direction)).item<double>() / (2 * step);
    EXPECT_NEAR((qkv.grad() * direction).sum().item<double>(), quotient, 2e-2 * std::max(1.0, std::abs(quotient)));
}

TEST(AddNorm, EqualsItsPlainTwinForwardAndBackward) {
    torch::manual_seed(3);
    for (const std::int64_t width : {1 + 4, 33, 768}) {
        const LayerNorm norm{torch::randn({width}).requires_grad_(), torch::randn({width}).requires_grad_()};
        const auto x = torch::randn({70, width}), residual = torch::randn({70, width}),
                   weight = torch::randn({70, width});
        std::vector<std::vector<torch::Tensor>> grads;
        for (const bool fast : {true, false}) {
            auto a = x.clone().requires_grad_(), b = residual.clone().requires_grad_();
            const auto y = fast ? add_norm(a, b, norm, 1e-12, {}) : add_norm_plain(a, b, norm, 1e-12, 0.0);
            grads.push_back(torch::autograd::grad({(y * weight).sum()}, {a, b, norm.weight, norm.bias}));
            grads.back().push_back(y.detach());
        }
        for (std::size_t i = 0; i < grads[0].size(); ++i) expect_near(grads[0][i], grads[1][i]);
    }
}

TEST(Dropout, KeepsTheExpectationAndIsTheSameForTheSameKey) {
    const auto x = torch::ones({1000, 300});
    const auto y = dropout(x, {0.1F, 5});
    EXPECT_NEAR(y.mean().item<double>(), 1.0, 0.01);
    EXPECT_NEAR((y == 0).to(torch::kFloat32).mean().item<double>(), 0.1, 0.01);
    EXPECT_TRUE(torch::equal(y, dropout(x, {0.1F, 5})));
    EXPECT_FALSE(torch::equal(y, dropout(x, {0.1F, 6})));
}

TEST(LinearLayer, EqualsLibtorchsForwardAndBackward) {
    torch::manual_seed(4);
    for (const std::int64_t rows : {1, 3, 65}) {
        const Linear layer{torch::randn({40, 24}).requires_grad_(), torch::randn({40}).requires_grad_()};
        auto x = torch::randn({rows, 24}).requires_grad_();
        const auto weight = torch::randn({rows, 40});
        const auto ours = linear(x, layer, torch::kFloat32), theirs = at::linear(x, layer.weight, layer.bias);
        expect_near(ours.detach(), theirs.detach());
        const auto a = torch::autograd::grad({(ours * weight).sum()}, {x, layer.weight, layer.bias});
        const auto b = torch::autograd::grad({(theirs * weight).sum()}, {x, layer.weight, layer.bias});
        for (std::size_t i = 0; i < a.size(); ++i) expect_near(a[i], b[i]);
    }
}

TEST(LinearLayer, GivesTheSameFrozen) {
    torch::manual_seed(5);
    for (const auto dtype : {torch::kFloat32, torch::kBFloat16}) {
        if (dtype == torch::kBFloat16 && !has_bf16_matmul()) continue;
        for (const std::int64_t outputs : {17, 40, 768})
            for (const std::int64_t rows : {1, 3, 65, 700}) {
                const Linear layer{torch::randn({outputs, 131}), torch::randn({outputs})};
                const auto x = torch::randn({rows, 131});
                const auto packed = frozen(layer, dtype);
                EXPECT_FALSE(packed.weight.defined());
                expect_near(linear(x, packed, dtype), linear(x, layer, dtype));
            }
    }
}

// (B, T) tensors with zeros after each sentence's end.
Batch padded(const std::vector<Feature>& features) {
    auto ids = torch::zeros({std::ssize(features), 25}, torch::kInt64), mask = torch::zeros_like(ids);
    for (std::int64_t b = 0; b < std::ssize(features); ++b) {
        const auto& tokens = features[static_cast<std::size_t>(b)].input_ids;
        for (std::int64_t t = 0; t < std::ssize(tokens); ++t) {
            ids[b][t] = tokens[static_cast<std::size_t>(t)];
            mask[b][t] = 1;
        }
    }
    return make_padded_batch(ids, mask, torch::zeros_like(ids));
}

class EveryModel : public testing::TestWithParam<int> {
protected:
    Model model =
        load_model(GetParam() < 0 ? test::dense_checkpoint("cls3")
                                  : test::student_checkpoint("cls3", static_cast<RouteMethod>(GetParam()), 0.1));
    std::vector<Feature> features = random_features(12, 3);
};

TEST_P(EveryModel, GivesTheSameLogitsWithAndWithoutPadding) {
    const auto packed = make_batch(features, first_indices(features.size()), ProblemType::classification);
    expect_near(forward(model, padded(features)).logits, forward(model, packed).logits);
}

TEST_P(EveryModel, GivesTheSameLogitsAloneAndInABatch) {
    const auto together =
        forward(model, make_batch(features, first_indices(features.size()), ProblemType::classification)).logits;
    for (std::int64_t i = 0; i < std::ssize(features); ++i) {
        const std::vector<std::int64_t> one{i};
        expect_near(forward(model, make_batch(features, one, ProblemType::classification)).logits,
                    together.narrow(0, i, 1));
    }
}

TEST_P(EveryModel, GivesTheSameLogitsFrozen) {
    const auto batch = make_batch(features, first_indices(features.size()), ProblemType::classification);
    const auto expected = forward(model, batch).logits;
    freeze_weights(model, torch::kFloat32);
    expect_near(forward(model, batch).logits, expected);
}

TEST_P(EveryModel, ComesBackFromItsTensorsBitForBit) {
    Checkpoint checkpoint{model.config, model_tensors(model), {}, {}, ""};
    auto again = load_model(checkpoint);
    const auto tensors = model_tensors(again);
    ASSERT_EQ(tensors.size(), checkpoint.tensors.size());
    for (const auto& [name, tensor] : tensors)
        EXPECT_TRUE(std::ranges::equal(tensor.bytes, checkpoint.tensors.at(name).bytes)) << name;
}

std::string model_name(const testing::TestParamInfo<int>& info) {
    if (info.param < 0) return "dense";
    auto name = to_string(static_cast<RouteMethod>(info.param));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(DenseAndRouted, EveryModel, testing::Values(-1, 0, 1, 2, 3), model_name);

torch::Tensor scores_in_batches(const Model& model, const std::vector<Feature>& features, std::size_t size) {
    auto scores = torch::zeros({3, 64}, torch::kFloat64);
    const auto indices = first_indices(features.size());
    for (std::size_t first = 0; first < indices.size(); first += size) {
        const auto part = std::span(indices).subspan(first, std::min(size, indices.size() - first));
        accumulate_importance(model, make_batch(features, part, ProblemType::classification), torch::kFloat32, scores);
    }
    return scores;
}

TEST(ImportancePass, GivesTheSameSumsForAnyBatchSize) {
    const auto model = load_model(test::dense_checkpoint("cls3"));
    const auto features = random_features(10, 3);
    const auto alone = scores_in_batches(model, features, 1);
    for (const std::size_t size : {3, 10}) expect_near(scores_in_batches(model, features, size), alone);
}

// Which is what other devices run.
TEST(ImportancePass, KernelEqualsItsPlainTwin) {
    torch::manual_seed(4);
    const auto layout = layout_of({1, 7, 64, 130});
    const auto random = [](std::int64_t rows) { return torch::randn({rows, 70}); };
    // Of all rows, and of the first one of each sentence.
    for (const auto rows : {layout->rows(), layout->sentences()}) {
        const LayerValues values{random(rows), random(rows), torch::randn({70}), random(rows), random(rows)};
        auto fast = torch::ones({70}, torch::kFloat64), plain = torch::ones({70}, torch::kFloat64);
        add_scores(values, *layout, fast);
        add_scores_plain(values, rows == layout->rows() ? *layout : *layout_of({1, 1, 1, 1}), plain);
        expect_near(fast, plain);
        EXPECT_GT(fast.min().item<double>(), 1.0) << "added to what was there";
    }
}

TEST(ImportancePass, EqualsTheGradientsOfEveryExampleAlone) {
    const auto checkpoint = test::dense_checkpoint("cls3");
    const auto features = random_features(5, 3);
    auto model = load_model(checkpoint, 0, true);
    auto expected = torch::zeros({3, 64}, torch::kFloat64);
    for (std::int64_t i = 0; i < 5; ++i) {
        const std::vector<std::int64_t> one{i};
        const auto batch = make_batch(features, one, ProblemType::classification);
        const auto loss = task_losses(ProblemType::classification, forward(model, batch).logits, batch).sum();
        for (std::int64_t k = 0; k < 3; ++k) {
            const auto& f = model.layers[static_cast<std::size_t>(k)].experts.front();
            const auto g = torch::autograd::grad({loss}, {f.up.weight, f.down.weight}, {}, true);
            expected[k] +=
                ((f.up.weight * g[0]).sum(1) + (f.down.weight * g[1]).sum(0)).abs().detach().to(torch::kFloat64);
        }
    }
    expect_near(scores_in_batches(load_model(checkpoint), features, 5), expected, 1e-4);
}

TEST(AdamW, StepsAsLibtorchsDoesDenseAndSparse) {
    torch::manual_seed(5);
    for (const double decay : {0.0, 0.1}) {
        auto ours = torch::randn({9, 4}).requires_grad_(), theirs = ours.detach().clone().requires_grad_();
        AdamW optimizer({{{"weight"}, &ours}}, {0.9, 0.999, 1e-8, decay});
        torch::optim::AdamW reference({theirs}, torch::optim::AdamWOptions(1e-2).weight_decay(decay));
        for (int step = 0; step < 6; ++step) {
            const auto rows =
                torch::tensor(step % 2 ? std::vector<std::int64_t>{1, 5, 1} : std::vector<std::int64_t>{7, 2, 5});
            const auto weight = torch::randn({3, 4});
            (at::embedding(ours, rows, -1, false, /*sparse=*/true) * weight).sum().backward();
            reference.zero_grad();
            (at::embedding(theirs, rows) * weight).sum().backward();
            optimizer.step(1e-2, 0.0);
            reference.step();
        }
        expect_near(ours.detach(), theirs.detach(), 1e-6);
    }
}

TEST(AdamW, LeavesEverythingAsItIsWhenAGradientIsNotFinite) {
    auto weight = torch::ones({4}).requires_grad_();
    const auto before = weight.detach().clone();
    AdamW optimizer({{{"weight"}, &weight}}, {});
    weight.mutable_grad() = torch::full({4}, NAN);
    EXPECT_FALSE(std::isfinite(optimizer.step(0.1, 1.0)));
    EXPECT_TRUE(torch::equal(weight.detach(), before));
}

}  // namespace
}  // namespace moebert
