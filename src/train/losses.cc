#include "train/losses.h"

#include <algorithm>

namespace moebert {
namespace {

// (T) values, one a row -> (B, longest); places past a sentence's end hold so low a value that softmax gives them 0.
torch::Tensor spread_sentences(const torch::Tensor& values, const BatchLayout& layout) {
    constexpr double kLowest = -1e30;
    return torch::full({layout.sentences() * layout.longest}, kLowest, values.options())
        .index_copy(0, layout.padded.slot_of_row, values)
        .view({layout.sentences(), layout.longest});
}

torch::Tensor span_losses(const torch::Tensor& logits, const torch::Tensor& positions, const BatchLayout& layout,
                          std::int64_t side) {
    const auto log_probabilities = spread_sentences(logits.select(1, side), layout).log_softmax(1);
    return -log_probabilities.gather(1, positions.unsqueeze(1)).squeeze(1);
}

// Averaged over the first dimension.
torch::Tensor symmetric_kl(const torch::Tensor& student, const torch::Tensor& teacher) {
    const auto p = student.log_softmax(1), q = teacher.log_softmax(1);
    return 0.5 * ((p.exp() - q.exp()) * (p - q)).sum() / static_cast<double>(student.size(0));
}

}  // namespace

torch::Tensor task_losses(ProblemType problem_type, const torch::Tensor& logits, const Batch& batch,
                          double label_smoothing) {
    switch (problem_type) {
        case ProblemType::classification:
            return at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::None, -100, label_smoothing);
        case ProblemType::regression:
            return at::mse_loss(logits.squeeze(1), batch.labels, at::Reduction::None);
        case ProblemType::question_answering:
            break;
    }
    return 0.5 * (span_losses(logits, batch.start_positions, *batch.layout, 0) +
                  span_losses(logits, batch.end_positions, *batch.layout, 1));
}

torch::Tensor prediction_distance(ProblemType problem_type, const torch::Tensor& student, const torch::Tensor& teacher,
                                  const BatchLayout& layout) {
    if (problem_type == ProblemType::regression) return at::mse_loss(student, teacher);
    if (problem_type == ProblemType::classification) return symmetric_kl(student, teacher);
    const auto side = [&](std::int64_t s) {
        return symmetric_kl(spread_sentences(student.select(1, s), layout),
                            spread_sentences(teacher.select(1, s), layout));
    };
    return 0.5 * (side(0) + side(1));
}

torch::Tensor hidden_distance(const std::vector<torch::Tensor>& student, const std::vector<torch::Tensor>& teacher) {
    auto sum = at::mse_loss(student.front(), teacher.front());
    for (std::size_t k = 1; k < student.size(); ++k) sum = sum + at::mse_loss(student[k], teacher[k]);
    return sum;
}

DistillationLoss distillation_loss(const ForwardResult& student, const ForwardResult& teacher, const Batch& batch,
                                   ProblemType problem_type, const DistillationWeights& weights,
                                   const StepShare& share) {
    DistillationLoss loss;
    loss.task = share.sentences * task_losses(problem_type, student.logits, batch, weights.label_smoothing).mean();
    loss.hidden = share.tokens * hidden_distance(student.hidden_states, teacher.hidden_states);
    loss.prediction =
        share.sentences * prediction_distance(problem_type, student.logits, teacher.logits, *batch.layout);
    loss.total = loss.task + weights.distill * (loss.hidden + loss.prediction);
    if (student.balance_loss.defined()) {
        loss.balance = share.pass * student.balance_loss;
        loss.total = loss.total + weights.load_balance * loss.balance;
    }
    return loss;
}

}  // namespace moebert
