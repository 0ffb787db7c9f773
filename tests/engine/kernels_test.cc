#include "engine/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

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
    const auto x = random_values(5 * width, 1), residual = random_values(5 * width, 2);
    const auto scale = random_values(width, 3), shift = random_values(width, 4);
    const NormWeights norm{scale, shift, 1e-5F};
    std::vector<float> out(x.size());
    std::vector<bf16_bits> rounded(x.size());
    add_layer_norm(x.data(), residual.data(), 5, norm, {}, out.data(), rounded.data());
    std::vector<double> expected;
    for (std::int64_t row = 0; row < 5; ++row) {
        const auto one = plain_norm(x.data() + row * width, residual.data() + row * width, norm, 1.0);
        expected.insert(expected.end(), one.begin(), one.end());
    }
    EXPECT_LE(largest_difference(out, expected), 5e-6);
    std::vector<bf16_bits> alone(x.size());
    round_to_bf16(out.data(), std::ssize(out), alone.data());
    EXPECT_EQ(rounded, alone);
}

TEST_P(OfWidth, AddLayerNormScattersRowsAndMultipliesThem) {
    const auto width = GetParam();
    const auto x = random_values(2 * width, 1), scale = random_values(width, 3), shift = random_values(width, 4);
    auto out = random_values(4 * width, 2);
    const auto before = out;
    const NormWeights norm{scale, shift, 1e-5F};
    const std::vector<std::int32_t> rows{3, 0};
    const std::vector<float> factor{0.5F, 2.0F};
    add_layer_norm(x.data(), out.data(), 2, norm, {rows, factor}, out.data(), nullptr);  // residual and output are one
    for (std::size_t i = 0; i < 2; ++i) {
        const auto at = rows[i] * width;
        const auto expected =
            plain_norm(x.data() + static_cast<std::int64_t>(i) * width, before.data() + at, norm, factor[i]);
        EXPECT_LE(largest_difference({out.begin() + at, out.begin() + at + width}, expected), 1e-5);
    }
    for (std::int64_t i = width; i < 3 * width; ++i)
        EXPECT_EQ(out[static_cast<std::size_t>(i)], before[static_cast<std::size_t>(i)]);
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
                                         AttentionShape{16, 2, 32}, AttentionShape{33, 1, 64},
                                         AttentionShape{128, 2, 64}, AttentionShape{513, 1, 17}));

TEST_P(OfShape, AttentionIsThePlainOne) {
    const auto s = GetParam();
    const auto width = s.heads * s.head_size;
    const auto qkv = random_values(3 * s.tokens * width, 5, 2.0);
    std::vector<float> work(attention_work(s.tokens, s.head_size), NAN);
    std::vector<float> out(static_cast<std::size_t>(s.tokens * width)), first(static_cast<std::size_t>(width));
    attention(qkv.data(), s.tokens, s.heads, s.head_size, false, work.data(), out.data());
    EXPECT_LE(largest_difference(out, plain_attention(qkv, s)), 5e-6);
    attention(qkv.data(), s.tokens, s.heads, s.head_size, true, work.data(), first.data());
    EXPECT_EQ(first, std::vector<float>(out.begin(), out.begin() + width));
}

}  // namespace
}  // namespace moebert::engine
