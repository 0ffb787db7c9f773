#include "train/trainer.h"

#include <ATen/Parallel.h>

#include "train/losses.h"
#include "train/support.h"

namespace moebert {
namespace {

using test::random_features;

class Trainer : public test::InFolder {
protected:
    Trainer() {
        options.output_dir = folder / "out";
        options.per_device_train_batch_size = 8;
        options.max_steps = 3;
        options.learning_rate = 1e-3;
        at::set_num_threads(1);
    }

    // A dense model's fine-tuning.
    TensorMap fine_tune(const std::string& fixture, const std::vector<Feature>& features) const {
        auto model = load_model(test::dense_checkpoint(fixture), 0, true);
        TrainingJob job{model, features};
        job.terms = {"task"};
        job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare share) {
            const auto output = forward(model, batch, forward_options);
            const auto loss = share.sentences * task_losses(model.config.problem_type, output.logits, batch).mean();
            return StepLoss{loss, {loss}, {}};
        };
        train(job, options, {});
        return model_tensors(model);
    }

    // A mixture's distillation from the dense fixture.
    TensorMap distil(RouteMethod method, const std::vector<Feature>& features) const {
        auto checkpoint = test::dense_checkpoint("cls3");
        const auto teacher = load_model(checkpoint);
        auto student = load_model(test::student_checkpoint("cls3", method), 0, true);
        TrainingJob job{student, features};
        job.terms = {"task"};
        job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare share) {
            const auto [loss, load] = test::distil_step(teacher, student, batch, forward_options, {2.0, 0.0}, share);
            return StepLoss{loss.total, {loss.task}, load};
        };
        train(job, options, {});
        return model_tensors(student);
    }

    // Batches of 8, 4, 2 and 1 with accumulation to 8. With so large an epsilon AdamW's step is linear in the gradient:
    // with the usual one it is its sign, to which rounding errors about zero matter.
    template <class Train>
    void expect_accumulation_to_change_nothing(Train run) {
        options.adam_epsilon = 1.0;
        options.learning_rate = 1.0;
        options.max_grad_norm = 0;
        const auto whole = run();
        for (const std::int64_t size : {4, 2, 1}) {
            options.per_device_train_batch_size = size;
            options.gradient_accumulation_steps = 8 / size;
            const auto parts = run();
            for (const auto& [name, tensor] : whole)
                EXPECT_LE(test::relative_error(to_torch(parts.at(name)), to_torch(tensor)), 1e-5) << size << name;
        }
    }

    TrainOptions options;
};

TEST_F(Trainer, GivesTheSameWeightsBitForBitForTheSameSeed) {
    const auto features = random_features(30, 3);
    const auto once = fine_tune("cls3", features), again = fine_tune("cls3", features);
    EXPECT_TRUE(test::same(once, again));
    options.seed = 7;
    EXPECT_FALSE(test::same(once, fine_tune("cls3", features)));
    options.seed = 42;
    const auto distilled = distil(RouteMethod::gate_token, features);
    EXPECT_TRUE(test::same(distilled, distil(RouteMethod::gate_token, features)));
}

TEST_F(Trainer, ChangesTheWeightsItTrains) {
    const auto before = test::dense_checkpoint("cls3").tensors;
    const auto after = fine_tune("cls3", random_features(30, 3));
    for (const auto& [name, tensor] : before) EXPECT_FALSE(test::same(tensor, after.at(name))) << name;
}

TEST_F(Trainer, GivesTheSameWeightsHoweverItsStepsAreCutIntoBatches) {
    const auto features = random_features(24, 3);
    expect_accumulation_to_change_nothing([&] { return fine_tune("cls3", features); });
}

TEST_F(Trainer, GivesTheSameRegressionHoweverItsStepsAreCutIntoBatches) {
    const auto features = random_features(24, 0);
    expect_accumulation_to_change_nothing([&] { return fine_tune("reg", features); });
}

TEST_F(Trainer, GivesTheSameStudentHoweverItsStepsAreCutIntoBatches) {
    const auto features = random_features(24, 3);
    expect_accumulation_to_change_nothing([&] { return distil(RouteMethod::hash_random, features); });
}

TEST_F(Trainer, UsesEverySentenceOnceAnEpochAndTheLastStepsAreSmaller) {
    const auto features = random_features(21, 3);
    options.max_steps = -1;
    options.num_train_epochs = 2;
    auto model = load_model(test::dense_checkpoint("cls3"), 0, true);
    TrainingJob job{model, features};
    std::vector<std::int64_t> sizes;
    std::multiset<std::vector<std::int64_t>> seen;
    job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare) {
        sizes.push_back(batch.layout->sentences());
        for (std::int64_t b = 0; b < batch.layout->sentences(); ++b) {
            const auto first = batch.layout->row_starts[static_cast<std::size_t>(b)];
            const auto rows = batch.input_ids.narrow(0, first, batch.layout->key_lengths[static_cast<std::size_t>(b)]);
            seen.emplace(rows.data_ptr<std::int64_t>(), rows.data_ptr<std::int64_t>() + rows.numel());
        }
        const auto loss =
            task_losses(ProblemType::classification, forward(model, batch, forward_options).logits, batch).mean();
        return StepLoss{loss, {}, {}};
    };
    const auto result = train(job, options, {});
    EXPECT_EQ(sizes, (std::vector<std::int64_t>{8, 8, 5, 8, 8, 5}));
    EXPECT_EQ(result.steps, 6);
    EXPECT_EQ(result.sentences, 42);
    EXPECT_EQ(result.epochs, 2.0);
    for (const auto& feature : features) {
        const std::vector<std::int64_t> ids(feature.input_ids.begin(), feature.input_ids.end());
        EXPECT_EQ(seen.count(ids) % 2, 0U);
        EXPECT_GE(seen.count(ids), 2U);
    }
}

TEST_F(Trainer, SharesOfAStepAddUpToOne) {
    const auto features = random_features(22, 3);
    options.per_device_train_batch_size = 3;
    options.gradient_accumulation_steps = 3;
    options.max_steps = 3;
    auto model = load_model(test::dense_checkpoint("cls3"), 0, true);
    TrainingJob job{model, features};
    double sentences = 0.0, tokens = 0.0;
    job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare share) {
        sentences += share.sentences;
        tokens += share.tokens;
        return StepLoss{forward(model, batch, forward_options).logits.sum(), {}, {}};
    };
    train(job, options, {});
    EXPECT_NEAR(sentences, 3.0, 1e-12);
    EXPECT_NEAR(tokens, 3.0, 1e-12);
}

TEST_F(Trainer, StopsAtALossThatIsNotFiniteAndNamesStepAndCheckpoint) {
    const auto features = random_features(24, 3);
    options.save_strategy = "steps";
    options.save_steps = 1;
    auto model = load_model(test::dense_checkpoint("cls3"), 0, true);
    TrainingJob job{model, features};
    int step = 0;
    job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare) {
        const auto loss = forward(model, batch, forward_options).logits.sum();
        return StepLoss{++step == 3 ? loss * NAN : loss, {}, {}};
    };
    EXPECT_ERROR(train(job, options, {}),
                 "training: step 3: the loss is nan; a smaller learning rate or --max_grad_norm may help (last good "
                 "checkpoint: " +
                     (folder / "out/checkpoint-1").string() + ")");  // nothing shows that checkpoint-2 is good
}

TEST_F(Trainer, NeedsExamples) { EXPECT_ERROR(fine_tune("cls3", {}), "there are no examples"); }

}  // namespace
}  // namespace moebert
