#include <cmath>

#include "train/ops.h"
#include "train/support.h"

namespace moebert {
namespace {

using Formula = double (*)(double);

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }
double gelu_tanh(double x) { return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x))); }

struct Named {
    const char* name;
    Formula formula;

    friend void PrintTo(const Named& named, std::ostream* out) { *out << named.name; }
};

// The names of Hugging Face's ACT2FN that BERT configurations use, with what they compute.
const std::vector<Named> activations{
    {"gelu", gelu},
    {"gelu_python", gelu},
    {"gelu_new", gelu_tanh},
    {"gelu_pytorch_tanh", gelu_tanh},
    {"gelu_fast", gelu_tanh},
    {"gelu_10", [](double x) { return std::min(10.0, std::max(-10.0, gelu(x))); }},
    {"quick_gelu", [](double x) { return x * sigmoid(1.702 * x); }},
    {"relu", [](double x) { return std::max(0.0, x); }},
    {"relu6", [](double x) { return std::min(6.0, std::max(0.0, x)); }},
    {"silu", [](double x) { return x * sigmoid(x); }},
    {"swish", [](double x) { return x * sigmoid(x); }},
    {"mish", [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
    {"tanh", [](double x) { return std::tanh(x); }},
    {"sigmoid", sigmoid},
    {"leaky_relu", [](double x) { return x > 0 ? x : 0.01 * x; }},
    {"linear", [](double x) { return x; }},
};

class Activation : public testing::TestWithParam<Named> {};

TEST_P(Activation, IsItsFormulaFromMinus12To12) {
    const auto x = torch::linspace(-12, 12, 481, torch::kFloat32);
    const auto y = activation(x, GetParam().name);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
        const double expected = GetParam().formula(x[i].item<double>());
        ASSERT_NEAR(y[i].item<double>(), expected, 1e-6 * std::max(1.0, std::abs(expected))) << x[i].item<double>();
    }
}

TEST_P(Activation, HasTheFormulasSlopeAsItsGradient) {
    auto x = torch::tensor({-3.3F, -1.1F, -0.2F, 0.3F, 0.9F, 2.7F}).requires_grad_();
    activation(x, GetParam().name).sum().backward();
    const auto f = GetParam().formula;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
        const double at = x[i].item<double>(), step = 1e-5;
        EXPECT_NEAR(x.grad()[i].item<double>(), (f(at + step) - f(at - step)) / (2 * step), 1e-5) << at;
    }
}

TEST_P(Activation, IsAcceptedInAConfiguration) {
    auto config = to_json(test::dense_checkpoint("cls3").config);
    config["hidden_act"] = GetParam().name;
    EXPECT_EQ(parse_model_config(config.dump(), "config.json").hidden_act, GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(Names, Activation, testing::ValuesIn(activations),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Activation, OfAnUnknownNameIsAnError) {
    EXPECT_ERROR(activation(torch::zeros({1}), "sine"), "hidden_act: 'sine' is no known activation");
}

}  // namespace
}  // namespace moebert
