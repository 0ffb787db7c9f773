// What the tests of training share: tiny models and inputs.
#pragma once

#include <numeric>

#include "core/random.h"
#include "io/support.h"
#include "moe/build_student.h"
#include "moe/hash_table.h"
#include "train/losses.h"
#include "train/model.h"

namespace moebert::test {

// What rounding explains in sums of a few hundred float32 terms, relative to the largest.
constexpr double kRounding = 2e-5;

// L 3, H 32, 4 heads, I 64, V 97; cls3 has three classes, reg one output, qa spans.
inline Checkpoint dense_checkpoint(const std::string& fixture) {
    return load_checkpoint(fixtures / fixture / "dense", [&](ModelConfig& config) {
        if (fixture == "reg") config.problem_type = ProblemType::regression;
    });
}

inline Checkpoint student_checkpoint(const std::string& fixture, RouteMethod method, double dropout = 0.0) {
    const auto balanced = balanced_hash_table(std::vector<std::int64_t>(97, 1), 4, 1);
    return split_checkpoint(dense_checkpoint(fixture), {4, 16, 8, method, dropout},
                            neuron_orders(SplitMethod::random, nullptr, 3, 64, 1),
                            make_hash_tables(method, 3, 97, 4, 1, balanced), 1);
}

// Of 1 to 20 tokens. Labels are classes below `classes`, or with 0 numbers.
inline std::vector<Feature> random_features(std::size_t count, std::uint64_t classes) {
    RandomEngine engine(9);
    std::vector<Feature> features(count);
    for (auto& feature : features) {
        feature.input_ids.resize(1 + uniform_index(engine, 20));
        for (auto& id : feature.input_ids) id = static_cast<std::int32_t>(1 + uniform_index(engine, 96));
        feature.token_type_ids.assign(feature.input_ids.size(), 0);
        feature.label = classes > 0 ? static_cast<double>(uniform_index(engine, classes)) : 5.0 * uniform_real(engine);
    }
    return features;
}

inline std::vector<std::int64_t> first_indices(std::size_t count) {
    std::vector<std::int64_t> indices(count);
    std::iota(indices.begin(), indices.end(), 0);
    return indices;
}

// Of sentences of these lengths, one after the other.
inline std::shared_ptr<const BatchLayout> layout_of(const std::vector<std::int64_t>& lengths) {
    std::vector<std::int64_t> starts{0};
    for (const auto length : lengths) starts.push_back(starts.back() + length);
    return std::make_shared<const BatchLayout>(make_layout(starts, lengths));
}

// The largest difference, relative to the largest magnitude expected.
inline double relative_error(const torch::Tensor& actual, const torch::Tensor& expected) {
    EXPECT_EQ(actual.sizes(), expected.sizes());
    const auto a = actual.detach().to(torch::kFloat64), e = expected.detach().to(torch::kFloat64);
    return (a - e).abs().max().item<double>() / std::max(1e-12, e.abs().max().item<double>());
}

struct DistilStep {
    DistillationLoss loss;
    std::vector<torch::Tensor> expert_load;
};

// A student's loss on a batch against its teacher's answers, given without dropout.
inline DistilStep distil_step(const Model& teacher, const Model& student, const Batch& batch, ForwardOptions options,
                              const DistillationWeights& weights, const StepShare& share) {
    options.hidden_states = true;
    auto its = options;
    its.training = false;
    const auto target = forward(teacher, batch, its);
    const auto output = forward(student, batch, options);
    return {distillation_loss(output, target, batch, ProblemType::classification, weights, share), output.expert_load};
}

}  // namespace moebert::test
