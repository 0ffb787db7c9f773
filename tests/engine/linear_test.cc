#include "engine/linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "engine/kernels.h"
#include "engine/panels.h"
#include "engine/quantization.h"
#include "engine/support.h"
#include "io/support.h"

namespace moebert::engine {
namespace {

struct Shape {
    std::int64_t rows, columns, inner;
    friend void PrintTo(const Shape& s, std::ostream* out) { *out << s.rows << " x " << s.columns << " x " << s.inner; }
};

class LinearOfShape : public testing::TestWithParam<Shape> {
protected:
    Shape shape = GetParam();
    std::vector<float> x = random_values(shape.rows * shape.inner, 1);
    std::vector<float> weight = random_values(shape.columns * shape.inner, 2), bias = random_values(shape.columns, 3);

    double expected(std::int64_t row, std::int64_t column) const {
        double sum = bias[static_cast<std::size_t>(column)];
        for (std::int64_t k = 0; k < shape.inner; ++k)
            sum += static_cast<double>(x[static_cast<std::size_t>(row * shape.inner + k)]) *
                   weight[static_cast<std::size_t>(column * shape.inner + k)];
        return sum;
    }
    std::vector<float> run(const Linear& linear, const OperandRows& operand) const {
        std::vector<float> y(static_cast<std::size_t>(shape.rows * shape.columns));
        linear.run(operand.from(0), shape.rows, y.data());
        return y;
    }
    OperandRows operand_of(const std::vector<float>& values, std::int64_t width, Precision precision) const {
        OperandRows rows(precision, width);
        rows.reserve(shape.rows);
        rows.set(0, shape.rows, values.data());
        return rows;
    }
    // Every result against the plain sum, in units of what rounding of the operands may do.
    void expect_plain(const std::vector<float>& y, double bound) const {
        for (std::int64_t r = 0; r < shape.rows; ++r)
            for (std::int64_t c = 0; c < shape.columns; ++c)
                ASSERT_NEAR(y[static_cast<std::size_t>(r * shape.columns + c)], expected(r, c), bound)
                    << r << ", " << c;
    }
    // In all precisions: parts of 1 to 400 rows give what all rows at once give.
    void expect_the_same_bits_in_parts() const {
        for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
            if (!is_supported(precision)) continue;
            const Linear linear(pack(weight, bias, precision), "gelu");
            const auto operand = operand_of(x, shape.inner, precision);
            const auto all = run(linear, operand);
            std::vector<float> part(all.size());
            for (std::int64_t count = 1; count <= std::min<std::int64_t>(400, shape.rows); count += 1 + count / 9)
                for (std::int64_t first = 0; first < shape.rows; first += std::max<std::int64_t>(97, count)) {
                    const auto rows = std::min(count, shape.rows - first);
                    linear.run(operand.from(first), rows, part.data());
                    ASSERT_EQ(std::memcmp(all.data() + first * shape.columns, part.data(),
                                          static_cast<std::size_t>(rows * shape.columns) * 4),
                              0)
                        << to_string(precision) << ": " << rows << " rows from " << first;
                }
        }
    }
    // Columns computed apart are those of the whole, for 1 to 400 rows.
    void expect_the_same_bits_in_columns(std::int64_t parts) const {
        for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
            if (!is_supported(precision)) continue;
            const Linear linear(pack(weight, bias, precision), "gelu");
            const auto operand = operand_of(x, shape.inner, precision);
            const auto all = run(linear, operand);
            const auto cuts = linear.cut(parts, Result::fp32);
            std::int64_t column = 0;
            for (const auto& cut : cuts) {
                const auto columns = cut.weights().columns;
                std::vector<float> part(static_cast<std::size_t>(shape.rows * columns));
                for (std::int64_t rows = 1; rows <= std::min<std::int64_t>(400, shape.rows); rows += 1 + rows / 9) {
                    cut.run(operand.from(0), rows, part.data());
                    for (std::int64_t r = 0; r < rows; ++r)
                        ASSERT_EQ(std::memcmp(all.data() + r * shape.columns + column, part.data() + r * columns,
                                              static_cast<std::size_t>(columns) * 4),
                                  0)
                            << to_string(precision) << ": row " << r << " of " << rows << ", columns from " << column;
                }
                column += columns;
            }
            EXPECT_TRUE(cuts.empty() || column == shape.columns);
        }
    }
    // What is rotated to the values given, times a factor.
    std::vector<float> rotated_back(std::vector<float> values, float factor) const {
        for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(shape.inner))
            rotate_column_back(values.data() + i, shape.inner, values.data() + i);
        for (auto& value : values) value *= factor;
        return values;
    }
    double root() const { return std::sqrt(static_cast<double>(shape.inner)); }

    const OneThread one;
};
INSTANTIATE_TEST_SUITE_P(Engine, LinearOfShape,
                         testing::Values(Shape{1, 1, 1}, Shape{3, 5, 7}, Shape{1, 768, 64}, Shape{129, 33, 64},
                                         Shape{450, 64, 100}, Shape{61, 40, 768}, Shape{50, 3072, 48},
                                         Shape{20, 40, 1700}));

TEST_P(LinearOfShape, IsThePlainProduct) {
    const Linear linear(pack(weight, bias, Precision::fp32));
    EXPECT_EQ(linear.weights().columns, shape.columns);
    EXPECT_EQ(linear.weights().inner, shape.inner);
    expect_plain(run(linear, operand_of(x, shape.inner, Precision::fp32)), 1e-6 * static_cast<double>(shape.inner));
}

// Products of bfloat16 that are added up for it too, where they are.
TEST_P(LinearOfShape, Fp32KeepsAllOfItsDigits) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::ldexp(x[i], static_cast<int>(i * 7 % 41) - 20);
    for (std::size_t i = 0; i < weight.size(); ++i)
        weight[i] = std::ldexp(weight[i], static_cast<int>(i * 5 % 37) - 18);
    const auto y = run(Linear(pack(weight, bias, Precision::fp32)), operand_of(x, shape.inner, Precision::fp32));
    for (std::int64_t r = 0; r < shape.rows; ++r)
        for (std::int64_t c = 0; c < shape.columns; ++c) {
            double sizes = std::abs(bias[static_cast<std::size_t>(c)]);
            for (std::int64_t k = 0; k < shape.inner; ++k)
                sizes += std::abs(static_cast<double>(x[static_cast<std::size_t>(r * shape.inner + k)]) *
                                  weight[static_cast<std::size_t>(c * shape.inner + k)]);
            ASSERT_NEAR(y[static_cast<std::size_t>(r * shape.columns + c)], expected(r, c), 1e-6 * sizes)
                << r << ", " << c;
        }
}

TEST_P(LinearOfShape, Bf16RoundsOnlyTheOperands) {
    if (!is_supported(Precision::bf16)) GTEST_SKIP() << "this processor has no bfloat16 products";
    expect_plain(run(Linear(pack(weight, bias, Precision::bf16)), operand_of(x, shape.inner, Precision::bf16)),
                 0.008 * (root() + 1.0));
}

TEST_P(LinearOfShape, Int8RoundsOnlyTheOperands) {
    if (!is_supported(Precision::int8)) GTEST_SKIP() << "this processor has no products of bytes";
    const auto packed = pack(weight, bias, Precision::int8);
    const auto operand = operand_of(x, shape.inner, Precision::int8);
    const auto y = run(Linear(packed), operand);
    // Half a step of either in a random direction in each term, and a whole one of a few weights on panels; with rows
    // and columns rotated, see quantization.h. Six deviations.
    const double growth = shape.inner % kRotated == 0 ? 16.0 : 1.0;
    for (std::int64_t r = 0; r < shape.rows; ++r)
        for (std::int64_t c = 0; c < shape.columns; ++c) {
            double of_x = 0.0, of_weight = 0.0;
            for (std::int64_t k = 0; k < shape.inner; ++k) {
                of_x += growth * std::pow(x[at(r * shape.inner + k)], 2);
                of_weight += std::pow(weight[at(c * shape.inner + k)], 2) / growth;
            }
            const double step = operand.from(r).scale[0], column_step = packed.scale[at(c)];
            const double deviation = std::sqrt((step * step * of_weight + column_step * column_step * of_x) / 12.0);
            ASSERT_NEAR(y[at(r * shape.columns + c)], expected(r, c), 6.0 * deviation) << r << ", " << c;
        }
}

TEST_P(LinearOfShape, Int8SumsAreExact) {
    if (!is_supported(Precision::int8)) GTEST_SKIP() << "this processor has no products of bytes";
    // With values that are bytes without rounding, the largest ones too, float32 rounds alone. On panels neighbours'
    // sums stay within kMostOfPair.
    std::vector<float> whole(weight.size()), bytes(x.size());
    for (std::size_t i = 0; i < whole.size(); ++i)
        whole[i] = i % static_cast<std::size_t>(shape.inner) == 0 ? 127.0F : std::round(weight[i] * 127.0F);
    for (std::size_t c = 0; runs_on_panels() && c < bias.size(); ++c)
        for (std::size_t i = 1; i < static_cast<std::size_t>(shape.inner); i += 2) {
            float* pair = whole.data() + c * static_cast<std::size_t>(shape.inner) + i - 1;
            if (std::abs(pair[0] + pair[1]) > static_cast<float>(kMostOfPair)) pair[1] = -pair[1];
        }
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = i % static_cast<std::size_t>(shape.inner) == 0 ? 254.0F : std::round(std::abs(x[i]) * 254.0F);
    const auto rows = rotated_back(bytes, shape.inner % kRotated == 0 ? 1.0F / 16.0F : 1.0F);
    const auto columns = rotated_back(whole, 1.0F);
    const auto y = run(Linear(pack(columns, bias, Precision::int8)), operand_of(rows, shape.inner, Precision::int8));
    for (std::int64_t r = 0; r < shape.rows; ++r)
        for (std::int64_t c = 0; c < shape.columns; ++c) {
            double sum = bias[static_cast<std::size_t>(c)];
            for (std::int64_t k = 0; k < shape.inner; ++k)
                sum += static_cast<double>(bytes[static_cast<std::size_t>(r * shape.inner + k)]) *
                       whole[static_cast<std::size_t>(c * shape.inner + k)];
            ASSERT_NEAR(y[static_cast<std::size_t>(r * shape.columns + c)], sum, 1e-6 * std::abs(sum) + 1e-6);
        }
}

TEST(LinearTest, Int8DoesNotOverflowWhereAllBytesAreTheLargest) {
    if (!is_supported(Precision::int8)) GTEST_SKIP() << "this processor has no products of bytes";
    constexpr std::int64_t inner = 70, columns = 20;
    for (const float sign : {1.0F, -1.0F}) {
        const std::vector<float> weight(inner * columns, sign), bias(columns);
        std::vector<float> x(inner, 1.0F);
        x[0] = -0.001F;  // zero is rounded up then, so that 255 is the largest byte
        OperandRows row(Precision::int8, inner);
        row.reserve(1);
        row.set(0, x.data());
        std::vector<float> y(columns);
        Linear(pack(weight, bias, Precision::int8)).run(row.from(0), 1, y.data());
        for (const float value : y) EXPECT_NEAR(value, sign * (inner - 1), 0.015 * inner);
    }
}

// Shapes of real models: the kernels may choose another way of summing for long rows or many columns.
class LinearOfRealShape : public LinearOfShape {};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Smaller ones take a sanitizer through the same code, in seconds instead of minutes.
INSTANTIATE_TEST_SUITE_P(Engine, LinearOfRealShape, testing::Values(Shape{200, 256, 400}, Shape{450, 768, 2}));
#else
INSTANTIATE_TEST_SUITE_P(Engine, LinearOfRealShape,
                         testing::Values(Shape{450, 384, 1536}, Shape{450, 768, 768}, Shape{450, 1024, 512},
                                         Shape{450, 1280, 256}, Shape{450, 1536, 384}, Shape{450, 3072, 768},
                                         Shape{130, 4096, 1024}, Shape{450, 768, 2}, Shape{450, 3072, 2}));
#endif

TEST_P(LinearOfShape, ARowsResultIsTheSameWhateverIsComputedWithIt) { expect_the_same_bits_in_parts(); }
TEST_P(LinearOfRealShape, ARowsResultIsTheSameWhateverIsComputedWithIt) { expect_the_same_bits_in_parts(); }

TEST_P(LinearOfRealShape, SomeColumnsAreTheSameAsAmongAll) {
    for (const std::int64_t parts : {2, 3, 4}) expect_the_same_bits_in_columns(parts);
}

TEST(LinearTest, IsCutWhereColumnsLieTogether) {
    const auto linear = [](std::int64_t columns) {
        return Linear(pack(random_values(64 * columns, 1), random_values(columns, 2), Precision::fp32));
    };
    EXPECT_EQ(linear(256).cut(4, Result::fp32).size(), 4U);
    EXPECT_TRUE(linear(256).cut(5, Result::fp32).empty());
    EXPECT_TRUE(linear(100).cut(2, Result::fp32).empty());
}

TEST_P(LinearOfShape, ResultsAsAnOperandAreTheSameRounded) {
    for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
        if (!is_supported(precision)) continue;
        const auto operand = operand_of(x, shape.inner, precision);
        const auto expected_rows =
            operand_of(run(Linear(pack(weight, bias, precision), "relu"), operand), shape.columns, precision);
        OperandRows rows(precision, shape.columns);
        rows.reserve(shape.rows);
        Linear(pack(weight, bias, precision), "relu", Result::operand).run(operand.from(0), shape.rows, rows);
        const auto bytes = precision == Precision::fp32 ? 4 : precision == Precision::bf16 ? 2 : 1;
        EXPECT_EQ(std::memcmp(rows.from(0).values, expected_rows.from(0).values,
                              static_cast<std::size_t>(shape.rows * shape.columns * bytes)),
                  0)
            << to_string(precision);
    }
}

TEST_P(LinearOfShape, UnpackGivesTheWeightAsItWasRounded) {
    for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
        if (!is_supported(precision)) continue;
        const auto packed = pack(weight, bias, precision);
        EXPECT_EQ(packed.packed.size(), packed_size(shape.inner, shape.columns, precision));
        auto again = unpack(packed);
        ASSERT_EQ(again.size(), weight.size());
        auto whole = weight;
        if (precision == Precision::int8)
            for (auto* values : {&again, &whole})
                for (auto* column = values->data(); column < values->data() + values->size(); column += shape.inner)
                    rotate_column(column, shape.inner, column);
        for (std::size_t i = 0; i < weight.size(); ++i) {
            // Half a step, or a whole one of a few weights on panels.
            const double bound = precision == Precision::fp32 ? 0.0
                                 : precision == Precision::bf16
                                     ? 0.004
                                     : (runs_on_panels() ? 1.001 : 0.501) * packed.scale[i / at(shape.inner)];
            EXPECT_NEAR(again[i], whole[i], bound);
        }
    }
}

// A weight that bytes have is kept as it is.
TEST_P(LinearOfShape, RoundedTwiceItIsTheSame) {
    if (!is_supported(Precision::int8)) GTEST_SKIP() << "this processor has no products of bytes";
    const auto once = pack(weight, bias, Precision::int8), twice = pack(unpack(once), bias, Precision::int8);
    EXPECT_TRUE(std::ranges::equal(once.scale, twice.scale));
    EXPECT_TRUE(std::ranges::equal(once.packed, twice.packed));
}

TEST(LinearTest, RefusesPackedWeightsOfAnotherSize) {
    auto packed = pack(random_values(12, 1), random_values(3, 2), Precision::fp32);
    packed.packed = packed.packed.first(packed.packed.size() - 1);
    EXPECT_ERROR(Linear{packed}, "bytes of packed weights where");
}

TEST(LinearTest, KnowsWhatItsProductsReach) {
    EXPECT_GT(Linear(pack(random_values(64 * 64, 1), random_values(64, 2), Precision::fp32)).ceiling(), 0.0);
}

double plain(const std::string& name, double x) {
    const double gelu = 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    const double sigmoid = 1.0 / (1.0 + std::exp(-x));
    if (name == "gelu" || name == "gelu_python") return gelu;
    if (name == "gelu_10") return std::clamp(gelu, -10.0, 10.0);
    if (name == "quick_gelu") return x / (1.0 + std::exp(-1.702 * x));
    if (name == "relu") return std::max(x, 0.0);
    if (name == "relu6") return std::clamp(x, 0.0, 6.0);
    if (name == "silu" || name == "swish") return x * sigmoid;
    if (name == "mish") return x * std::tanh(std::log1p(std::exp(x)));
    if (name == "tanh") return std::tanh(x);
    if (name == "sigmoid") return sigmoid;
    if (name == "leaky_relu") return x >= 0 ? x : 0.01 * x;
    if (name == "linear") return x;
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

TEST(Activation, IsItsFormulaFromMinus12To12) {
    const OneThread one;
    std::vector<float> x, y(2401);
    for (int i = 0; i <= 2400; ++i) x.push_back(-12.0F + 0.01F * static_cast<float>(i));
    const std::vector<float> unit{1.0F}, zero{0.0F}, of_bytes{127.0F / 128.0F};  // which bytes have without rounding
    for (const char* name :
         {"gelu", "gelu_python", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_10", "quick_gelu", "relu", "relu6",
          "silu", "swish", "mish", "tanh", "sigmoid", "leaky_relu", "linear"}) {
        const Linear linear(pack(unit, zero, Precision::fp32), name);
        linear.run({x.data(), nullptr, nullptr}, 2401, y.data());
        for (std::size_t i = 0; i < x.size(); ++i)  // 1e-6, and half a unit of the result's last place
            ASSERT_NEAR(y[i], plain(name, x[i]), 1e-6 + 6e-8 * std::abs(x[i])) << name << " of " << x[i];
        if (!is_supported(Precision::int8)) continue;
        OperandRows bytes(Precision::int8, 1);
        bytes.reserve(2401);
        bytes.set(0, 2401, x.data());
        Linear(pack(of_bytes, zero, Precision::int8), name).run(bytes.from(0), 2401, y.data());
        // Of one value a row a byte is no rounding to speak of, but gelu is a coarser one then.
        const bool is_coarse = name == std::string("gelu") || name == std::string("gelu_python");
        for (std::size_t i = 0; i < x.size(); ++i)
            ASSERT_NEAR(y[i], plain(name, of_bytes[0] * static_cast<double>(x[i])),
                        (is_coarse ? 5e-5 : 2e-6) + (is_coarse ? 4e-5 : 1e-6) * std::abs(x[i]))
                << name << " of " << x[i] << ", int8";
    }
    EXPECT_ERROR(Linear(pack(unit, zero, Precision::fp32), "cube"), "'cube' is no known activation");
}

}  // namespace
}  // namespace moebert::engine
