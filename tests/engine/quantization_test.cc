#include "engine/quantization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "engine/support.h"

namespace moebert::engine {
namespace {

class OfLength : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Quantization, OfLength, testing::Values(1, 3, 16, 17, 31, 64, 100, 128, 384, 513, 768, 1536));

using Doubles = std::vector<double>;

// Hadamard's matrix of order 4 times values `apart` from each other, in every block of four times as many.
Doubles plain_mix(const Doubles& x, std::size_t apart) {
    Doubles y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto place = i / apart % 4, first = i - place * apart;
        for (std::size_t other = 0; other < 4; ++other) {
            const bool is_negative = std::popcount(place & other) % 2 == 1;
            y[i] += is_negative ? -x[first + other * apart] : x[first + other * apart];
        }
    }
    return y;
}

// R x.
template <class Values>
Doubles plain_rotation(const Values& x) {
    const Doubles values(x.begin(), x.end());
    if (x.size() % kRotated != 0) return values;
    return plain_mix(plain_mix(values, x.size() / 4), kRotated / 4);
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// What a row's bytes stand for, in place of R x.
std::vector<float> rounded(const std::vector<float>& x) {
    const auto count = std::ssize(x);
    std::vector<std::uint8_t> bytes(x.size() + 1, 77);
    std::vector<float> work(x.size() + 1, 77.0F), values;
    const auto [scale, zero] = quantize_row(x.data(), count, work.data(), bytes.data());
    EXPECT_EQ(bytes.back(), 77) << "nothing is written after the row";
    EXPECT_EQ(work.back(), 77.0F) << "nothing is written after the work space";
    EXPECT_GE(zero, 0);
    EXPECT_LE(zero, 255);
    const auto expected = plain_rotation(x);
    for (std::size_t i = 0; i < x.size(); ++i) {
        values.push_back(scale * static_cast<float>(bytes[i] - zero));
        EXPECT_NEAR(values[i], expected[i], 0.501 * scale) << i;
    }
    return values;
}

TEST_P(OfLength, RowsAreWithinHalfAStep) {
    auto x = random_values(GetParam(), 7, 3.0);
    rounded(x);
    for (auto& value : x) value = std::abs(value);  // zero is still among what bytes stand for
    rounded(x);
    for (auto& value : x) value = -value;
    rounded(x);
    std::ranges::fill(x, 1e-37F);
    rounded(x);
    std::ranges::fill(x, 0.0F);
    EXPECT_EQ(rounded(x), x);
}

// Bytes can't hold it, but a row's scale can.
TEST_P(OfLength, ANotANumberMakesTheScaleOne) {
    const auto count = GetParam();
    for (const float value : {NAN, INFINITY, -INFINITY})
        for (const auto place : {std::int64_t{0}, count / 2, count - 1}) {
            auto x = random_values(count, 7);
            x[static_cast<std::size_t>(place)] = value;
            std::vector<float> work(x.size());
            std::vector<std::uint8_t> bytes(x.size());
            EXPECT_TRUE(std::isnan(quantize_row(x.data(), count, work.data(), bytes.data()).scale));
        }
}

TEST_P(OfLength, ColumnsAreRotatedAsRowsAre) {
    const auto count = GetParam();
    const auto w = random_values(count, 1), x = random_values(count, 2);
    std::vector<float> rotated(w.size() + 1, 77.0F);
    rotate_column(w.data(), count, rotated.data());
    EXPECT_EQ(rotated.back(), 77.0F) << "nothing is written after the column";
    rotated.pop_back();
    const auto expected = plain_rotation(w);
    const double factor = count % kRotated == 0 ? 1.0 / 16.0 : 1.0;
    for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(rotated[i], factor * expected[i], 1e-6) << i;

    const auto rows = plain_rotation(x);
    EXPECT_NEAR(dot(std::vector<float>(rows.begin(), rows.end()), rotated), dot(x, w), 1e-5 * std::sqrt(count));
    auto again = rotated;
    rotate_column_back(again.data(), count, again.data());
    for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(again[i], w[i], 1e-6) << i;
    again = w;
    rotate_column(again.data(), count, again.data());
    EXPECT_EQ(again, rotated) << "in place";
}

// What it is for: a large value leaves the others their digits.
TEST(Quantization, OneLargeValueCostsTheOthersLittle) {
    for (const std::int64_t count : {384, 768, 3072}) {
        auto x = random_values(count, 3);
        x[5] = 30.0F;
        auto values = rounded(x);
        const auto expected = plain_rotation(x);
        double squares = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) squares += std::pow((values[i] - expected[i]) / 4.0, 2);
        // Steps of the row as it is would be of 31 / 254, and their errors evenly spread; a quarter of the large value,
        // in either direction and with what others add to it, is somewhat more than half of that range.
        const double unrotated = 31.0 / 254.0 / std::sqrt(12.0);
        EXPECT_LE(std::sqrt(squares / static_cast<double>(count)), 0.6 * unrotated) << count;
    }
}

TEST_P(OfLength, DequantizeIsItsFormula) {
    const auto columns = GetParam();
    const std::vector<float> row_scale{0.01F, 0.5F};
    const std::vector<std::int32_t> row_zero{0, 200};
    const auto scale = random_values(columns, 1), bias = random_values(columns, 2);
    std::vector<std::int32_t> sum, values;
    for (std::int64_t i = 0; i < columns; ++i) sum.push_back(static_cast<std::int32_t>(1000 - 37 * i));
    for (std::int64_t i = 0; i < 2 * columns; ++i) values.push_back(static_cast<std::int32_t>(i * i - 5000 * i));
    const auto integers = values;
    dequantize({nullptr, row_scale.data(), row_zero.data()}, 2, {scale, sum, bias}, values.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto r = i / static_cast<std::size_t>(columns), c = i % static_cast<std::size_t>(columns);
        const double expected =
            static_cast<double>(row_scale[r]) * scale[c] * (integers[i] - row_zero[r] * sum[c]) + bias[c];
        float found;
        std::memcpy(&found, &values[i], sizeof found);
        EXPECT_NEAR(found, expected, 1e-6 + 3e-7 * std::abs(expected)) << i;
    }
}

}  // namespace
}  // namespace moebert::engine
