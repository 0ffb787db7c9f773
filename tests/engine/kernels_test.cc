#include "engine/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "engine/attention_bf16.h"
#include "engine/support.h"

namespace moebert::engine {
namespace {

double largest_difference(const std::vector<float>& a, const std::vector<double>& b) {
    EXPECT_EQ(a.size(), b.size());
    double most = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
    return most;
}

// LayerNorm(x + residual) of one row, in double precision.
std::vector<double> plain_norm(const float* x, const float* residual, const NormWeights& norm, double factor) {
    const auto width = norm.scale.size();
    std::vector<double> sum(width);
    double mean = 0.0, variance = 0.0;
    for (std::size_t i = 0; i < width; ++i) mean += sum[i] = static_cast<double>(x[i]) + residual[i];
    mean /= static_cast<double>(width);
    for (const double value : sum) variance += (value - mean) * (value - mean);
    variance /= static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i)
        sum[i] = factor * ((sum[i] - mean) / std::sqrt(variance + norm.epsilon) * norm.scale[i] + norm.shift[i]);
    return sum;
}

class OfWidth : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Kernels, OfWidth, testing::Values(1, 3, 16, 17, 31, 64, 100, 384, 513, 768));

TEST_P(OfWidth, AddLayerNormIsThePlainOne) {
    const auto width = GetParam();
    const auto x = random_values(width, 1), scale = random_values(width, 3), shift = random_values(width, 4);
    const NormWeights norm{scale, shift, 1e-5F};
    for (const double factor : {1.0, 0.5, 2.0}) {
        auto states = random_values(width, 2);
        const auto expected = plain_norm(x.data(), states.data(), norm, factor);
        std::vector<float> out(states.size());
        add_layer_norm(x.data(), states.data(), norm, static_cast<float>(factor), out.data());
        EXPECT_LE(largest_difference(out, expected), 1e-5);
        add_layer_norm(x.data(), states.data(), norm, static_cast<float>(factor), states.data());
        EXPECT_EQ(states, out);
    }
}

TEST_P(OfWidth, GatesAreThePlainProduct) {
    const auto width = GetParam();
    const auto x = random_values(width, 1), weight = random_values(3 * width, 2);
    std::vector<float> y(4, 77.0F);
    multiply_vector(x, weight, std::span(y).first(3));
    for (std::size_t c = 0; c < 3; ++c) {
        double expected = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) expected += static_cast<double>(x[i]) * weight[c * x.size() + i];
        EXPECT_NEAR(y[c], expected, 1e-5 * std::sqrt(static_cast<double>(width))) << c;
    }
    EXPECT_EQ(y[3], 77.0F) << "nothing is written after the results";
}

TEST_P(OfWidth, RowsAreAdded) {
    const auto width = GetParam();
    const auto x = random_values(width, 1);
    auto sum = random_values(width + 1, 2);
    const auto before = sum;
    add_to(sum.data(), x.data(), width);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(sum[i], before[i] + x[i]) << i;
    EXPECT_EQ(sum.back(), before.back());
}

// The same bits as LayerNorm first and rounding then.
TEST_P(OfWidth, AddLayerNormRoundsToo) {
    const auto width = GetParam();
    const auto x = random_values(width, 1), states = random_values(width, 2), scale = random_values(width, 3),
               shift = random_values(width, 4);
    const NormWeights norm{scale, shift, 1e-5F};
    std::vector<float> out(x.size()), again(x.size());
    add_layer_norm(x.data(), states.data(), norm, 0.5F, out.data());

    std::vector<bf16_bits> halves(x.size() + 1, 77), expected_halves(x.size());
    add_layer_norm(x.data(), states.data(), norm, 0.5F, again.data(), halves.data());
    round_to_bf16(out.data(), width, expected_halves.data());
    EXPECT_EQ(again, out);
    EXPECT_EQ(halves.back(), 77) << "nothing is written after the row";
    halves.pop_back();
    EXPECT_EQ(halves, expected_halves);
}

TEST(RoundToBf16, GoesToTheNearestTiesToEven) {
    const std::vector<float> x{1.0F, 1.00390625F, 1.01171875F, -3.0e38F, INFINITY, -0.0F, 1e-40F, NAN};
    std::vector<bf16_bits> out(x.size());
    round_to_bf16(x.data(), std::ssize(x), out.data());
    const std::vector<bf16_bits> expected{0x3F80, 0x3F80, 0x3F82, 0xFF62, 0x7F80, 0x8000, 0x0001};
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(out[i], expected[i]) << i;
    EXPECT_GT(out.back() & 0x7FFF, 0x7F80);
}

struct AttentionShape {
    std::int64_t tokens, heads, head_size;
    friend void PrintTo(const AttentionShape& s, std::ostream* out) {
        *out << s.tokens << " x " << s.heads << " x " << s.head_size;
    }
};

std::vector<double> plain_attention(const std::vector<float>& qkv, const AttentionShape& s) {
    const auto width = s.heads * s.head_size, stride = 3 * width;
    const auto at = [&](std::int64_t token, std::int64_t i) {
        return static_cast<double>(qkv[static_cast<std::size_t>(token * stride + i)]);
    };
    std::vector<double> out(static_cast<std::size_t>(s.tokens * width), 0.0);
    for (std::int64_t h = 0; h < s.heads; ++h)
        for (std::int64_t t = 0; t < s.tokens; ++t) {
            std::vector<double> p;
            double sum = 0.0;
            for (std::int64_t u = 0; u < s.tokens; ++u) {
                double score = 0.0;
                for (std::int64_t i = 0; i < s.head_size; ++i)
                    score += at(t, h * s.head_size + i) * at(u, width + h * s.head_size + i);
                sum += p.emplace_back(std::exp(score / std::sqrt(static_cast<double>(s.head_size))));
            }
            for (std::int64_t u = 0; u < s.tokens; ++u)
                for (std::int64_t i = 0; i < s.head_size; ++i)
                    out[static_cast<std::size_t>(t * width + h * s.head_size + i)] +=
                        p[static_cast<std::size_t>(u)] / sum * at(u, 2 * width + h * s.head_size + i);
        }
    return out;
}

class OfShape : public testing::TestWithParam<AttentionShape> {};
INSTANTIATE_TEST_SUITE_P(Kernels, OfShape,
                         testing::Values(AttentionShape{1, 1, 1}, AttentionShape{2, 3, 5}, AttentionShape{7, 2, 8},
                                         AttentionShape{16, 2, 32}, AttentionShape{30, 2, 14},
                                         AttentionShape{33, 1, 64}, AttentionShape{128, 2, 64},
                                         AttentionShape{513, 1, 17}));

TEST_P(OfShape, AttentionIsThePlainOne) {
    const auto s = GetParam();
    const auto width = s.heads * s.head_size;
    const auto qkv = random_values(3 * s.tokens * width, 5, 2.0);
    std::vector<float> work(attention_work(s.tokens, s.head_size), NAN);
    std::vector<float> out(static_cast<std::size_t>(s.tokens * width));
    attention(qkv.data(), s.tokens, s.heads, s.head_size, {0, s.tokens, 0, s.heads}, work.data(), out.data());
    EXPECT_LE(largest_difference(out, plain_attention(qkv, s)), 5e-6);
    // Any of the queries alone give the same rows.
    for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {s.tokens / 2, s.tokens}}) {
        std::vector<float> some(static_cast<std::size_t>((end - begin) * width));
        attention(qkv.data(), s.tokens, s.heads, s.head_size, {begin, end, 0, s.heads}, work.data(), some.data());
        EXPECT_EQ(some, std::vector<float>(out.begin() + begin * width, out.begin() + end * width));
    }
}

// Whatever its bits: a model with such a weight must not give results that look sound.
TEST(Attention, ToANotANumberIsOne) {
    for (const float nan : {NAN, std::bit_cast<float>(0x7FC00001U), std::bit_cast<float>(0xFFFFFFFFU)}) {
        auto qkv = random_values(3 * 20 * 16, 1);
        qkv[7 * 48 + 16] = nan;  // in the eighth token's key
        std::vector<float> work(attention_work(20, 16)), out(20 * 16);
        attention(qkv.data(), 20, 1, 16, {0, 20, 0, 1}, work.data(), out.data());
        for (const float value : out) EXPECT_TRUE(std::isnan(value));
    }
}

class OfWholeHeads : public testing::TestWithParam<AttentionShape> {};
INSTANTIATE_TEST_SUITE_P(Kernels, OfWholeHeads,
                         testing::Values(AttentionShape{1, 1, 16}, AttentionShape{2, 3, 32}, AttentionShape{7, 2, 64},
                                         AttentionShape{16, 2, 32}, AttentionShape{33, 1, 64},
                                         AttentionShape{128, 2, 64}, AttentionShape{513, 1, 48}));

TEST_P(OfWholeHeads, Bf16AttentionIsThePlainOneOfRoundedValues) {
    const auto s = GetParam();
    if (!has_bf16_attention(s.head_size)) GTEST_SKIP() << "this processor has no bfloat16 products";
    const auto width = s.heads * s.head_size;
    auto qkv = random_values(3 * s.tokens * width, 5, 2.0);
    std::vector<bf16_bits> rounded(qkv.size());
    round_to_bf16(qkv.data(), std::ssize(qkv), rounded.data());
    for (std::size_t i = 0; i < qkv.size(); ++i) {
        const std::uint32_t bits = static_cast<std::uint32_t>(rounded[i]) << 16;
        std::memcpy(&qkv[i], &bits, sizeof bits);
    }
    std::vector<float> work(attention_bf16_work(s.tokens, s.head_size) + 1, NAN);
    work.back() = 7.0F;
    std::vector<float> out(static_cast<std::size_t>(s.tokens * width));
    attention_bf16(rounded.data(), s.tokens, s.heads, s.head_size, {0, s.tokens, 0, s.heads}, work.data(), out.data());
    EXPECT_EQ(work.back(), 7.0F) << "nothing is written after the work space";
    // Only probabilities are rounded, to 8 bits each; values are under 2.
    EXPECT_LE(largest_difference(out, plain_attention(qkv, s)), 2.0 * std::pow(2.0, -8));
    for (std::int64_t begin = 0; begin < s.tokens; begin += 1 + s.tokens / 3) {
        const auto end = std::min(s.tokens, begin + 5);
        std::vector<float> some(static_cast<std::size_t>((end - begin) * width));
        attention_bf16(rounded.data(), s.tokens, s.heads, s.head_size, {begin, end, 0, s.heads}, work.data(),
                       some.data());
        EXPECT_EQ(some, std::vector<float>(out.begin() + begin * width, out.begin() + end * width));
    }
    std::vector<bf16_bits> halves(out.size()), expected(out.size());
    attention_bf16(rounded.data(), s.tokens, s.heads, s.head_size, {0, s.tokens, 0, s.heads}, work.data(),
                   halves.data());
    round_to_bf16(out.data(), std::ssize(out), expected.data());
    EXPECT_EQ(halves, expected);
}

TEST(Vectors, OfAnUnknownSetAreRefused) { EXPECT_THROW(limit_vectors("avx1024"), UsageError); }

}  // namespace
}  // namespace moebert::engine
