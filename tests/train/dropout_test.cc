// Dropout inside the kernels: its mask is read off, and then the forward and backward pass must be those of libtorch's
// own operators with that mask.
#include "train/support.h"

namespace moebert {
namespace {

using test::kRounding;
using test::layout_of;
using test::relative_error;

// Of one sentence, (h, rows, rows): zero queries make all probabilities alike, and values that are unit vectors show
// which of them were kept.
torch::Tensor attention_mask(std::int64_t rows, Heads heads, Dropout dropout) {
    const auto layout = layout_of({rows});
    const auto mask = torch::zeros({heads.count, rows, rows});
    for (std::int64_t first = 0; first < rows; first += heads.size) {
        auto qkv = torch::zeros({rows, 3, heads.count, heads.size});
        for (std::int64_t key = first; key < std::min(rows, first + heads.size); ++key)
            qkv.index_put_({key, 2, torch::indexing::Slice(), key - first}, static_cast<double>(rows));
        const auto seen = attention(qkv.view({rows, -1}), layout, heads, dropout).view({rows, heads.count, heads.size});
        const auto keys = std::min(heads.size, rows - first);
        mask.narrow(2, first, keys).copy_(seen.permute({1, 0, 2}).narrow(2, 0, keys));
    }
    return mask;
}

torch::Tensor masked_attention(const torch::Tensor& qkv, Heads heads, const torch::Tensor& mask) {
    const auto rows = qkv.size(0);
    const auto parts = qkv.view({rows, 3, heads.count, heads.size}).permute({1, 2, 0, 3});
    const auto scores = at::matmul(parts[0], parts[1].transpose(1, 2)) / std::sqrt(static_cast<double>(heads.size));
    return at::matmul(scores.softmax(-1) * mask, parts[2]).transpose(0, 1).reshape({rows, heads.count * heads.size});
}

struct AttentionShape {
    std::int64_t rows;
    Heads heads;

    friend void PrintTo(const AttentionShape& s, std::ostream* out) {
        *out << s.rows << " rows, " << s.heads.count << " heads of " << s.heads.size;
    }
};

class AttentionDropout : public testing::TestWithParam<AttentionShape> {};

TEST_P(AttentionDropout, IsTheSameMaskForwardAndBackward) {
    const auto [rows, heads] = GetParam();
    const Dropout dropout{0.3F, 77};
    torch::manual_seed(1);
    const auto mask = attention_mask(rows, heads, dropout);
    const auto kept = (mask > 0.5).to(torch::kFloat32);
    EXPECT_LE(relative_error(mask, kept / 0.7), 1e-5);  // 0, or 1 / (1 - p)
    const double five_deviations = 5 * std::sqrt(0.7 * 0.3 / static_cast<double>(kept.numel()));
    EXPECT_NEAR(kept.mean().item<double>(), 0.7, std::min(0.71, five_deviations));

    const auto base = torch::randn({rows, 3 * heads.count * heads.size}),
               weight = torch::randn({rows, heads.count * heads.size});
    auto fast = base.clone().requires_grad_(), plain = base.clone().requires_grad_();
    const auto fast_out = attention(fast, layout_of({rows}), heads, dropout);
    const auto plain_out = masked_attention(plain, heads, mask.detach());
    EXPECT_LE((fast_out - plain_out).abs().max().item<double>(), kRounding * 10);
    (fast_out * weight).sum().backward();
    (plain_out * weight).sum().backward();
    EXPECT_LE((fast.grad() - plain.grad()).abs().max().item<double>(),
              kRounding * std::max(1.0, plain.grad().abs().max().item<double>()));
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionDropout,
                         testing::Values(AttentionShape{1, {1, 4}}, AttentionShape{2, {1, 1}},
                                         AttentionShape{17, {3, 5}}, AttentionShape{33, {12, 64}},
                                         AttentionShape{130, {2, 24}}, AttentionShape{512, {1, 16}}));

TEST(AttentionMask, DiffersBetweenHeadsRowsAndKeys) {
    const auto mask = attention_mask(40, {2, 8}, {0.5F, 1});
    EXPECT_FALSE(torch::equal(mask[0], mask[1]));
    EXPECT_FALSE(torch::equal(mask[0][0], mask[0][1]));
    EXPECT_FALSE(torch::equal(mask, attention_mask(40, {2, 8}, {0.5F, 2})));
    EXPECT_TRUE(torch::equal(mask, attention_mask(40, {2, 8}, {0.5F, 1})));
}

TEST(AttentionMask, DiffersBetweenSentences) {
    const Heads heads{1, 4};
    auto qkv = torch::zeros({8, 12});
    qkv.narrow(1, 8, 4) = torch::ones({8, 4});
    const auto out = attention(qkv, layout_of({4, 4}), heads, {0.5F, 3});
    EXPECT_FALSE(torch::equal(out.narrow(0, 0, 4), out.narrow(0, 4, 4)));
}

class AddNormDropout : public testing::TestWithParam<std::tuple<std::int64_t, std::int64_t>> {};

TEST_P(AddNormDropout, IsTheSameMaskForwardAndBackward) {
    const auto [rows, width] = GetParam();
    const Dropout dropout{0.2F, 5};
    torch::manual_seed(2);
    const LayerNorm norm{torch::randn({width}).requires_grad_(), torch::randn({width}).requires_grad_()};
    const auto x = torch::randn({rows, width}), residual = torch::randn({rows, width}),
               weight = torch::randn({rows, width});
    auto a = x.clone().requires_grad_(), b = residual.clone().requires_grad_();
    const auto y = add_norm(a, b, norm, 1e-5, dropout);
    const auto grads = torch::autograd::grad({(y * weight).sum()}, {a, b, norm.weight, norm.bias});
    // The gradient of x is that of the residual times the mask.
    const auto mask = (grads[0].abs() > 0).to(torch::kFloat32) / 0.8;
    EXPECT_LE(relative_error(grads[0], grads[1] * mask), 1e-6);
    const double five_deviations = 5 * std::sqrt(0.8 * 0.2 / static_cast<double>(rows * width));
    EXPECT_NEAR((mask > 0).to(torch::kFloat32).mean().item<double>(), 0.8, five_deviations);

    auto c = x.clone().requires_grad_(), d = residual.clone().requires_grad_();
    const auto expected = at::layer_norm(c * mask + d, {width}, norm.weight, norm.bias, 1e-5);
    EXPECT_LE(relative_error(y, expected), kRounding);
    const auto wanted = torch::autograd::grad({(expected * weight).sum()}, {c, d, norm.weight, norm.bias});
    for (std::size_t i = 0; i < grads.size(); ++i) EXPECT_LE(relative_error(grads[i], wanted[i]), kRounding) << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, AddNormDropout,
                         testing::Values(std::tuple{1, 7}, std::tuple{3, 33}, std::tuple{70, 96},
                                         std::tuple{200, 768}));

TEST(DropoutOp, IsTheSameMaskForwardAndBackward) {
    auto x = torch::randn({37, 113}).requires_grad_();
    const auto y = dropout(x, {0.25F, 9});
    y.sum().backward();
    EXPECT_LE(relative_error(y, x * x.grad()), 1e-6);
    const auto kept = (x.grad() > 0).to(torch::kFloat32);
    EXPECT_LE(relative_error(x.grad(), kept / 0.75), 1e-6);
    EXPECT_NEAR(kept.mean().item<double>(), 0.75, 0.04);
}

TEST(DropoutOp, IsNothingWithoutAProbability) {
    const auto x = torch::randn({5, 5});
    EXPECT_TRUE(torch::equal(dropout(x, {}), x));
}

}  // namespace
}  // namespace moebert
