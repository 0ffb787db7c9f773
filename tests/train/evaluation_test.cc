// A prediction depends on its sentence alone: not on batch, order, padding or threads.
#include "train/evaluation.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "train/support.h"

namespace moebert {
namespace {

using test::first_indices;
using test::random_features;

// Of logits about 1 after sums of some hundred float32 terms in every layer.
constexpr double kLogitRounding = 1e-5;

struct Case {
    const char* fixture;
    int method;  // of RouteMethod; -1: dense

    std::string name() const {
        auto text = fixture + std::string("_") + (method < 0 ? "dense" : to_string(static_cast<RouteMethod>(method)));
        std::replace(text.begin(), text.end(), '-', '_');
        return text;
    }
    friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name(); }
};

class Evaluation : public testing::TestWithParam<Case> {
protected:
    Checkpoint checkpoint =
        GetParam().method < 0
            ? test::dense_checkpoint(GetParam().fixture)
            : test::student_checkpoint(GetParam().fixture, static_cast<RouteMethod>(GetParam().method));
    Model model = load_model(checkpoint);
    bool spans = checkpoint.config.problem_type == ProblemType::question_answering;
    std::vector<Feature> features = random_features(30, std::string(GetParam().fixture) == "reg" ? 0 : 3);
};

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    double most = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
    return most;
}

// For models with an output a sentence.
class EvaluationOfSentences : public Evaluation {};

TEST_P(Evaluation, DoesNotDependOnBatchSizeOrThreads) {
    at::set_num_threads(1);
    const auto expected = run_model(model, features, {1, torch::kFloat32});
    const auto rows = spans ? static_cast<std::size_t>(expected.tokens) : 30U;
    EXPECT_EQ(expected.logits.size(), rows * static_cast<std::size_t>(model.config.num_labels()));
    for (const auto& [size, threads] : {std::pair{3, 1}, {7, 2}, {30, 2}, {100, 1}}) {
        at::set_num_threads(threads);
        const auto found = run_model(model, features, {size, torch::kFloat32});
        EXPECT_LE(largest_difference(found.logits, expected.logits), kLogitRounding) << size;
        EXPECT_EQ(found.tokens, expected.tokens);
        EXPECT_EQ(found.expert_load, expected.expert_load);
    }
    at::set_num_threads(1);
}

TEST_P(Evaluation, DoesNotDependOnTheOrder) {
    const auto forwards = run_model(model, features, {8, torch::kFloat32});
    auto reversed = features;
    std::reverse(reversed.begin(), reversed.end());
    const auto backwards = run_model(model, reversed, {8, torch::kFloat32});
    std::size_t at = 0, end = forwards.logits.size();
    for (const auto& feature : features) {
        const auto size = (spans ? feature.input_ids.size() : 1U) * static_cast<std::size_t>(model.config.num_labels());
        end -= size;
        for (std::size_t i = 0; i < size; ++i)
            EXPECT_NEAR(backwards.logits[end + i], forwards.logits[at + i], kLogitRounding);
        at += size;
    }
}

TEST_P(Evaluation, DoesNotDependOnPadding) {
    torch::InferenceMode inference;
    auto ids = torch::zeros({30, 27}, torch::kInt64), mask = torch::zeros_like(ids);
    for (std::int64_t b = 0; b < 30; ++b) {
        const auto& tokens = features[static_cast<std::size_t>(b)].input_ids;
        for (std::int64_t t = 0; t < std::ssize(tokens); ++t) {
            ids[b][t] = tokens[static_cast<std::size_t>(t)];
            mask[b][t] = 1;
        }
    }
    ForwardOptions options;
    options.hidden_states = true;
    const auto padded = forward(model, make_padded_batch(ids, mask, torch::zeros_like(ids)), options);
    const auto packed = forward(model, make_batch(features, first_indices(30), ProblemType::classification), options);
    const auto real = mask.view({-1}).nonzero().squeeze(1);
    for (std::size_t k = 0; k < packed.hidden_states.size(); ++k)
        EXPECT_LE(test::relative_error(padded.hidden_states[k].index_select(0, real), packed.hidden_states[k]),
                  kLogitRounding)
            << k;
    EXPECT_LE(test::relative_error(spans ? padded.logits.index_select(0, real) : padded.logits, packed.logits),
              kLogitRounding);
}

TEST_P(EvaluationOfSentences, OfTheWholeLastLayerIsThatOfItsFirstRowsOnly) {
    torch::InferenceMode inference;
    ForwardOptions all;
    all.hidden_states = true;
    const auto batch = make_batch(features, first_indices(30), ProblemType::classification);
    EXPECT_LE(test::relative_error(forward(model, batch).logits, forward(model, batch, all).logits), kLogitRounding);
}

std::vector<Case> cases(const std::vector<const char*>& fixture_names) {
    std::vector<Case> all;
    for (const char* fixture : fixture_names)
        for (int method = -1; method < 4; ++method) all.push_back({fixture, method});
    return all;
}

std::string name_of(const testing::TestParamInfo<Case>& param_info) { return param_info.param.name(); }

INSTANTIATE_TEST_SUITE_P(Models, Evaluation, testing::ValuesIn(cases({"cls3", "reg", "qa"})), name_of);
INSTANTIATE_TEST_SUITE_P(Models, EvaluationOfSentences, testing::ValuesIn(cases({"cls3", "reg"})), name_of);

}  // namespace
}  // namespace moebert
