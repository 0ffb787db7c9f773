// Training on a GPU against training on a CPU. Skipped where the build or the machine has no GPU.
#include "train/gpu_kernels.h"

#include "train/adamw.h"
#include "train/evaluation.h"
#include "train/job_common.h"
#include "train/losses.h"
#include "train/support.h"
#include "train/trainer.h"

namespace moebert {
namespace {

using test::layout_of;
using test::random_features;
using test::relative_error;

class Gpu : public test::InFolder {
protected:
    void SetUp() override {
        if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU is available to this build";
        gpu::make_deterministic();
        torch::manual_seed(1);
    }

    // Losses of every step of a distillation; the student's weights at the end.
    struct Trained {
        TensorMap weights;
        std::vector<double> losses;
    };

    Trained distil(RouteMethod method, torch::Device device, TrainOptions options = {}, double dropout = 0.0) const {
        const auto features = random_features(42, 3);
        options.output_dir = folder / "out";
        options.per_device_train_batch_size = 16;
        options.learning_rate = 1e-3;
        options.adam_epsilon = 1e-2;  // with the usual one a step is the gradient's sign, to which rounding matters
        options.max_steps = 20;
        options.dropout = dropout;
        const auto teacher = load_model(test::dense_checkpoint("cls3"), 0, false, device);
        auto student = load_model(test::student_checkpoint("cls3", method, dropout), 0, true, device);
        Trained trained;
        TrainingJob job{student, features};
        job.terms = {"task"};
        job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare share) {
            const auto [loss, load] = test::distil_step(teacher, student, batch, forward_options, {2.0, 0.5}, share);
            trained.losses.push_back(loss.total.item<double>());
            return StepLoss{loss.total, {loss.task}, load};
        };
        train(job, options, {});
        trained.weights = model_tensors(student);
        return trained;
    }

    static void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double bound) {
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t i = 0; i < found.size(); ++i)
            EXPECT_NEAR(found[i], expected[i], bound * std::max(1.0, std::abs(expected[i]))) << "step " << i;
    }

    const std::array<RouteMethod, 4> methods{RouteMethod::hash_random, RouteMethod::hash_balance,
                                             RouteMethod::gate_token, RouteMethod::gate_sentence};
};

TEST_F(Gpu, AttentionIsThatOfTheCpuForwardAndBackward) {
    for (const Heads heads : {Heads{1, 8}, Heads{3, 32}, Heads{12, 64}, Heads{2, 12}}) {
        const auto host = layout_of({1, 7, 64, 130, 3, 512});
        const auto device =
            std::make_shared<const BatchLayout>(make_layout(host->row_starts, host->key_lengths, torch::kCUDA));
        const auto hidden = heads.count * heads.size;
        const auto base = torch::randn({host->rows(), 3 * hidden}), weight = torch::randn({host->rows(), hidden});
        auto there = base.clone().requires_grad_(), here = base.cuda().requires_grad_();
        const auto expected = attention(there, host, heads, {}), found = attention(here, device, heads, {});
        EXPECT_LE(relative_error(found.cpu(), expected), test::kRounding) << heads.size;
        (expected * weight).sum().backward();
        (found * weight.cuda()).sum().backward();
        EXPECT_LE(relative_error(here.grad().cpu(), there.grad()), test::kRounding) << heads.size;
        for (const auto type : {torch::kBFloat16, torch::kHalf}) {
            const auto half = attention(base.cuda().to(type), device, heads, {});
            EXPECT_EQ(half.scalar_type(), type);
            EXPECT_LE(relative_error(half.cpu(), expected), type == torch::kHalf ? 2e-3 : 1.6e-2) << heads.size;
        }
    }
}

// The loss is linear in what dropout keeps, so that a difference quotient sees the same mask or fails.
TEST_F(Gpu, AttentionDropsTheSameProbabilitiesBackwardAsForward) {
    const auto layout = std::make_shared<const BatchLayout>(make_layout({0, 9, 13, 83}, {9, 4, 70}, torch::kCUDA));
    const Heads heads{2, 32};
    const auto on_gpu = torch::device(torch::kCUDA);
    auto qkv = torch::randn({83, 192}, on_gpu).requires_grad_();
    const auto weight = torch::randn({83, 64}, on_gpu), direction = torch::randn({83, 192}, on_gpu);
    const auto loss = [&](const torch::Tensor& x) {
        torch::manual_seed(5);
        return (attention(x, layout, heads, {0.4F, 0}) * weight).sum();
    };
    loss(qkv).backward();
    torch::NoGradGuard no_grad;
    const double step = 1e-2;
    const double found = (qkv.grad() * direction).sum().item<double>();
    const double quotient =
        (loss(qkv + step * direction).item<double>() - loss(qkv - step * direction).item<double>()) / (2 * step);
    EXPECT_NEAR(found, quotient, 1e-2 * std::abs(quotient) + 0.05);
    EXPECT_GT(relative_error(attention(qkv, layout, heads, {0.4F, 0}), attention(qkv, layout, heads, {})), 0.05);
}

TEST_F(Gpu, AdamWStepsAsOnTheCpu) {
    std::vector<torch::Tensor> here, there;
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{7, 5}, {300, 257}, {3}, {50, 4}}) {
        there.push_back(torch::randn(shape).requires_grad_());
        here.push_back(there.back().detach().cuda().requires_grad_());
    }
    const auto optimizer = [](std::vector<torch::Tensor>& p) {
        return AdamW({{{"a.weight"}, &p[0]}, {{"b.weight"}, &p[1]}, {{"c.bias"}, &p[2]}, {{"words.weight"}, &p[3]}},
                     {0.9, 0.98, 1e-6, 0.1});
    };
    auto on_gpu = optimizer(here), on_cpu = optimizer(there);
    for (int step = 0; step < 6; ++step) {
        for (std::size_t i = 0; i < here.size(); ++i) {
            if (i == 0 && step % 2 == 1) continue;  // an expert without a token
            auto grad = torch::randn_like(there[i]).detach();
            if (i == 3) grad = at::sparse_coo_tensor(torch::randint(50, {1, 9}), torch::randn({9, 4}), {50, 4});
            there[i].mutable_grad() = grad.clone();
            here[i].mutable_grad() = grad.cuda();
        }
        const double expected = on_cpu.step(1e-2, 0.5, 0.25);
        EXPECT_NEAR(on_gpu.step(1e-2, 0.5, 0.25), expected, 1e-5 * expected);
    }
    for (std::size_t i = 0; i < here.size(); ++i) EXPECT_LE(relative_error(here[i].cpu(), there[i]), 2e-6) << i;
}

TEST_F(Gpu, DistillationTakesTheStepsOfTheCpu) {
    for (const auto method : methods) {
        SCOPED_TRACE(to_string(method));
        expect_near(distil(method, torch::kCUDA).losses, distil(method, torch::kCPU).losses, 2e-4);
    }
}

TEST_F(Gpu, DistillationInHalfPrecisionIsNear) {
    TrainOptions bf16, fp16;
    bf16.bf16 = fp16.fp16 = true;
    for (const auto method : {RouteMethod::hash_random, RouteMethod::hash_balance}) {
        const auto expected = distil(method, torch::kCPU).losses;
        expect_near(distil(method, torch::kCUDA, bf16).losses, expected, 2e-2);
        expect_near(distil(method, torch::kCUDA, fp16).losses, expected, 5e-3);
    }
}

TEST_F(Gpu, TheSameSeedGivesTheSameWeightsBitForBit) {
    for (const auto method : methods) {
        const auto once = distil(method, torch::kCUDA, {}, 0.1), again = distil(method, torch::kCUDA, {}, 0.1);
        EXPECT_TRUE(test::same(once.weights, again.weights)) << to_string(method);
        EXPECT_NE(once.losses, distil(method, torch::kCUDA).losses);  // dropout is there
    }
}

TEST_F(Gpu, ScoresOfNeuronsAndLogitsAreTheCpus) {
    const auto features = random_features(23, 3);
    for (const auto* fixture : {"cls3", "qa"}) {
        const auto checkpoint = test::dense_checkpoint(fixture);
        const auto here = load_model(checkpoint, 0, false, torch::kCUDA), there = load_model(checkpoint);
        const auto found = run_model(here, features, {4, torch::kFloat32, nullptr}).logits,
                   expected = run_model(there, features, {4, torch::kFloat32, nullptr}).logits;
        EXPECT_LE(relative_error(torch::tensor(found), torch::tensor(expected)), test::kRounding);
        if (fixture == std::string("qa")) continue;  // these features have no answers
        const auto scores = measure_importance(here, features, 3, torch::kFloat32, {}, alone(), {}).scores,
                   theirs = measure_importance(there, features, 3, torch::kFloat32, {}, alone(), {}).scores;
        for (std::size_t k = 0; k < scores.size(); ++k)
            EXPECT_LE(relative_error(torch::tensor(scores[k]), torch::tensor(theirs[k])), test::kRounding);
    }
}

}  // namespace
}  // namespace moebert
