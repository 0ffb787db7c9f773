#include "engine/linear.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "engine/kernels.h"
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
    void SetUp() override { use_one_thread(); }
};
INSTANTIATE_TEST_SUITE_P(Engine, LinearOfShape,
                         testing::Values(Shape{1, 1, 1}, Shape{3, 5, 7}, Shape{1, 768, 64}, Shape{129, 33, 64},
                                         Shape{300, 64, 100}));

TEST_P(LinearOfShape, IsThePlainProduct) {
    const Linear linear(weight, bias, Precision::fp32, Precision::fp32);
    EXPECT_EQ(linear.columns(), shape.columns);
    std::vector<float> y(static_cast<std::size_t>(shape.rows * shape.columns));
    linear.run(x.data(), shape.rows, y.data());
    const double bound = 1e-6 * static_cast<double>(shape.inner);
    for (std::int64_t r = 0; r < shape.rows; ++r)
        for (std::int64_t c = 0; c < shape.columns; ++c)
            ASSERT_NEAR(y[static_cast<std::size_t>(r * shape.columns + c)], expected(r, c), bound) << r << ", " << c;
}

TEST_P(LinearOfShape, ARowsResultIsTheSameWhateverIsComputedWithIt) {
    for (const auto precision : {Precision::fp32, Precision::bf16}) {
        if (!is_supported(precision)) continue;
        const Linear linear(weight, bias, precision, Precision::fp32, "gelu");
        std::vector<bf16_bits> rounded(x.size());
        round_to_bf16(x.data(), std::ssize(x), rounded.data());
        const auto row = [&](std::int64_t r) -> const void* {
            return precision == Precision::fp32 ? static_cast<const void*>(x.data() + r * shape.inner)
                                                : rounded.data() + r * shape.inner;
        };
        std::vector<float> all(static_cast<std::size_t>(shape.rows * shape.columns));
        linear.run(row(0), shape.rows, all.data());
        std::vector<float> some(all.size());
        for (std::int64_t first = 0, count = 1; first < shape.rows; first += count, count = 1 + count % 7) {
            count = std::min(count, shape.rows - first);
            linear.run(row(first), count, some.data() + first * shape.columns);
        }
        EXPECT_EQ(std::memcmp(all.data(), some.data(), all.size() * 4), 0) << to_string(precision);
    }
}

TEST_P(LinearOfShape, Bf16RoundsOnlyTheOperands) {
    if (!is_supported(Precision::bf16)) GTEST_SKIP() << "this processor has no bfloat16 products";
    const Linear linear(weight, bias, Precision::bf16, Precision::fp32);
    std::vector<bf16_bits> rounded(x.size());
    round_to_bf16(x.data(), std::ssize(x), rounded.data());
    std::vector<float> y(static_cast<std::size_t>(shape.rows * shape.columns));
    linear.run(rounded.data(), shape.rows, y.data());
    const double bound = 0.004 * std::sqrt(static_cast<double>(shape.inner)) + 0.004;
    for (std::int64_t r = 0; r < shape.rows; ++r)
        for (std::int64_t c = 0; c < shape.columns; ++c)
            ASSERT_NEAR(y[static_cast<std::size_t>(r * shape.columns + c)], expected(r, c), 2 * bound);
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
    use_one_thread();
    std::vector<float> x, y(2401);
    for (int i = 0; i <= 2400; ++i) x.push_back(-12.0F + 0.01F * static_cast<float>(i));
    for (const char* name :
         {"gelu", "gelu_python", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_10", "quick_gelu", "relu", "relu6",
          "silu", "swish", "mish", "tanh", "sigmoid", "leaky_relu", "linear"}) {
        const Linear linear(std::vector<float>{1.0F}, std::vector<float>{0.0F}, Precision::fp32, Precision::fp32, name);
        linear.run(x.data(), 2401, y.data());
        for (std::size_t i = 0; i < x.size(); ++i)  // 1e-6, and half a unit of the result's last place
            ASSERT_NEAR(y[i], plain(name, x[i]), 1e-6 + 6e-8 * std::abs(x[i])) << name << " of " << x[i];
    }
    EXPECT_ERROR(Linear(std::vector<float>{1.0F}, std::vector<float>{0.0F}, Precision::fp32, Precision::fp32, "cube"),
                 "'cube' is no known activation");
}

}  // namespace
}  // namespace moebert::engine
