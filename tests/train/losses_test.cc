#include "train/losses.h"

#include <cmath>

#include "train/support.h"

namespace moebert {
namespace {

Batch batch_of(const std::vector<std::int64_t>& lengths) {
    std::vector<std::int64_t> starts{0};
    for (const auto length : lengths) starts.push_back(starts.back() + length);
    Batch batch;
    batch.layout = std::make_shared<const BatchLayout>(make_layout(starts, lengths));
    return batch;
}

double kl(const std::vector<double>& p, const std::vector<double>& q) {
    double sum = 0.0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
    return sum;
}

std::vector<double> softmax(const std::vector<double>& x) {
    std::vector<double> p;
    double sum = 0.0;
    for (const double value : x) sum += std::exp(value);
    for (const double value : x) p.push_back(std::exp(value) / sum);
    return p;
}

TEST(TaskLosses, OfClassesAreCrossEntropies) {
    auto batch = batch_of({1, 1});
    batch.labels = torch::tensor({2, 0}, torch::kInt64);
    const auto losses =
        task_losses(ProblemType::classification, torch::tensor({{0.1, 0.2, 0.3}, {2.0, -1.0, 0.0}}), batch);
    EXPECT_NEAR(losses[0].item<double>(), -std::log(softmax({0.1, 0.2, 0.3})[2]), 1e-6);
    EXPECT_NEAR(losses[1].item<double>(), -std::log(softmax({2.0, -1.0, 0.0})[0]), 1e-6);
}

// (1 - e) times the label's loss, and e times the mean of all classes'.
TEST(TaskLosses, OfSmoothedLabelsGiveEveryClassAShare) {
    auto batch = batch_of({1});
    batch.labels = torch::tensor({2}, torch::kInt64);
    const auto losses = task_losses(ProblemType::classification, torch::tensor({{0.1, 0.2, 0.3}}), batch, 0.3);
    const auto p = softmax({0.1, 0.2, 0.3});
    const double all = -(std::log(p[0]) + std::log(p[1]) + std::log(p[2])) / 3;
    EXPECT_NEAR(losses[0].item<double>(), -0.7 * std::log(p[2]) + 0.3 * all, 1e-6);
}

TEST(TaskLosses, OfNumbersAreSquaredErrors) {
    auto batch = batch_of({1, 1});
    batch.labels = torch::tensor({1.5F, -2.0F});
    const auto losses = task_losses(ProblemType::regression, torch::tensor({{1.0F}, {1.0F}}), batch);
    EXPECT_EQ(losses[0].item<double>(), 0.25);
    EXPECT_EQ(losses[1].item<double>(), 9.0);
}

TEST(TaskLosses, OfSpansAreTheMeanOfBothEndsWithinTheSentence) {
    auto batch = batch_of({3, 2});
    batch.start_positions = torch::tensor({0, 1}, torch::kInt64);
    batch.end_positions = torch::tensor({2, 1}, torch::kInt64);
    const auto logits = torch::tensor({{1.0, 0.0}, {2.0, 0.5}, {3.0, 1.0}, {0.3, 0.1}, {0.7, 0.9}});
    const auto losses = task_losses(ProblemType::question_answering, logits, batch);
    const auto loss = [](const std::vector<double>& row, std::size_t at) { return -std::log(softmax(row)[at]); };
    EXPECT_NEAR(losses[0].item<double>(), 0.5 * (loss({1, 2, 3}, 0) + loss({0, 0.5, 1}, 2)), 1e-6);
    EXPECT_NEAR(losses[1].item<double>(), 0.5 * (loss({0.3, 0.7}, 1) + loss({0.1, 0.9}, 1)), 1e-6);
}

TEST(PredictionDistance, IsHalfOfBothDivergencesAveragedOverSentences) {
    const auto batch = batch_of({1, 1});
    const auto student = torch::tensor({{0.1, 0.7}, {1.0, 0.0}}), teacher = torch::tensor({{2.0, -1.0}, {1.0, 0.0}});
    const auto p = softmax({0.1, 0.7}), q = softmax({2.0, -1.0});
    const auto found = prediction_distance(ProblemType::classification, student, teacher, *batch.layout);
    EXPECT_NEAR(found.item<double>(), 0.5 * (kl(p, q) + kl(q, p)) / 2, 1e-6);  // the second sentence's is 0
    EXPECT_EQ(prediction_distance(ProblemType::classification, teacher, teacher, *batch.layout).item<double>(), 0.0);
}

TEST(PredictionDistance, StaysFiniteWhereSoftmaxUnderflows) {
    const auto batch = batch_of({1});
    const auto found = prediction_distance(ProblemType::classification, torch::tensor({{500.0F, -500.0F}}),
                                           torch::tensor({{-500.0F, 500.0F}}), *batch.layout);
    EXPECT_NEAR(found.item<double>(), 1000.0, 1e-2);
}

TEST(PredictionDistance, OfNumbersIsTheirSquaredDifference) {
    const auto batch = batch_of({1, 1});
    EXPECT_NEAR(prediction_distance(ProblemType::regression, torch::tensor({{1.0F}, {2.0F}}),
                                    torch::tensor({{3.0F}, {2.0F}}), *batch.layout)
                    .item<double>(),
                2.0, 1e-6);
}

TEST(HiddenDistance, SumsTheLayersMeanSquares) {
    const std::vector<torch::Tensor> a{torch::zeros({2, 2}), torch::ones({2, 2})};
    const std::vector<torch::Tensor> b{torch::tensor({{1.0F, 0.0F}, {0.0F, 1.0F}}), torch::full({2, 2}, 3.0F)};
    EXPECT_NEAR(hidden_distance(a, b).item<double>(), 0.5 + 4.0, 1e-6);
}

class DistillationLossTest : public testing::Test {
protected:
    DistillationLossTest() {
        batch.labels = torch::tensor({1, 0}, torch::kInt64);
        student.logits = torch::tensor({{0.5, -0.5}, {1.0, 2.0}});
        teacher.logits = torch::tensor({{0.0, 1.0}, {2.0, 0.0}});
        student.hidden_states = {torch::zeros({3, 2}), torch::ones({3, 2})};
        teacher.hidden_states = {torch::ones({3, 2}), torch::ones({3, 2})};
    }
    DistillationLoss loss(DistillationWeights weights, double sentences = 1, double tokens = 1) const {
        return distillation_loss(student, teacher, batch, ProblemType::classification, weights,
                                 {sentences, tokens, sentences});
    }
    Batch batch = batch_of({1, 2});
    ForwardResult student, teacher;
};

TEST_F(DistillationLossTest, WeighsItsTerms) {
    const auto l = loss({3.0, 0.0});
    EXPECT_FALSE(l.balance.defined());
    EXPECT_NEAR(l.total.item<double>(),
                l.task.item<double>() + 3.0 * (l.hidden.item<double>() + l.prediction.item<double>()), 1e-5);
    EXPECT_NEAR(l.hidden.item<double>(), 1.0, 1e-6);
}

TEST_F(DistillationLossTest, AddsTheBalanceLossOfGates) {
    student.balance_loss = torch::tensor(1.25);
    EXPECT_NEAR(loss({1.0, 0.2}).total.item<double>() - loss({1.0, 0.0}).total.item<double>(), 0.25, 1e-6);
}

TEST_F(DistillationLossTest, CountsSharesOfSentencesAndTokens) {
    student.balance_loss = torch::tensor(1.25);
    const auto whole = loss({2.0, 0.5}), part = loss({2.0, 0.5}, 0.25, 0.125);
    EXPECT_NEAR(part.task.item<double>(), 0.25 * whole.task.item<double>(), 1e-6);
    EXPECT_NEAR(part.prediction.item<double>(), 0.25 * whole.prediction.item<double>(), 1e-6);
    EXPECT_NEAR(part.balance.item<double>(), 0.25 * whole.balance.item<double>(), 1e-6);
    EXPECT_NEAR(part.hidden.item<double>(), 0.125 * whole.hidden.item<double>(), 1e-6);
}

}  // namespace
}  // namespace moebert
