// Checkpoints of a training run, and runs that go on from them.
#include <fmt/ranges.h>

#include <csignal>
#include <limits>

#include "core/interrupt.h"
#include "io/safetensors.h"
#include "train/losses.h"
#include "train/support.h"
#include "train/trainer.h"
#include "train/training_checkpoint.h"

namespace moebert {
namespace {

using test::random_features;

class Resume : public test::InFolder {
protected:
    Resume() {
        options.output_dir = folder / "out";
        options.per_device_train_batch_size = 8;
        options.num_train_epochs = 3;  // 12 steps
        options.learning_rate = 1e-3;
        options.logging_steps = 5;
        options.evaluation_strategy = "steps";
        options.eval_steps = 3;
        options.load_best_model_at_end = true;
        options.save_strategy = "steps";
        options.save_steps = 4;
        at::set_num_threads(1);
    }

    struct Trained {
        TensorMap weights;
        TrainingResult result;
    };

    // A mixture with dropout; `signal_at` is the step during which the process gets SIGTERM.
    Trained train_to(std::int64_t signal_at, const std::optional<std::filesystem::path>& checkpoint = {}) {
        auto model = load_model(
            checkpoint ? load_checkpoint(*checkpoint) : test::student_checkpoint("cls3", RouteMethod::gate_token, 0.1),
            0, true);
        TrainingJob job{model, features};
        job.terms = {"task"};
        job.checkpoint = checkpoint;
        job.settings = settings;
        job.best_metric = "score";
        LoadBalance balance("auto");
        job.balance = &balance;
        job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare share) {
            if (++steps_run == signal_at) std::raise(SIGTERM);
            const auto output = forward(model, batch, forward_options);
            const auto loss = share.sentences * task_losses(model.config.problem_type, output.logits, batch).mean();
            const auto total = loss + balance.weight() * share.pass * output.balance_loss;
            return StepLoss{total, {loss}, output.expert_load};
        };
        job.evaluate = [&] {
            const auto batch = make_batch(features, test::first_indices(4), ProblemType::classification);
            torch::InferenceMode inference;
            return Metrics{{"other", 1.0}, {"score", forward(model, batch).logits[0][0].item<double>()}};
        };
        Trained trained;
        trained.result = train(job, options, sink);
        trained.weights = model_tensors(model);
        return trained;
    }

    std::optional<std::filesystem::path> latest() { return checkpoint_to_resume("latest", options.output_dir, sink); }

    // Everything but times.
    std::vector<nlohmann::json> log() const {
        std::vector<nlohmann::json> lines;
        std::istringstream in(test::slurp(folder / "out/train_log.jsonl"));
        for (std::string line; std::getline(in, line);) {
            lines.push_back(nlohmann::json::parse(line));
            lines.back().erase("tokens_per_second");
        }
        return lines;
    }

    std::vector<std::string> folders() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(folder / "out"))
            if (entry.is_directory()) names.push_back(entry.path().filename().string());
        std::sort(names.begin(), names.end());
        return names;
    }

    void damage(const std::string& file) const {
        auto content = test::slurp(folder / file);
        content[content.size() / 2] ^= 1;
        put(file, content);
    }

    TrainOptions options;
    nlohmann::json settings = {{"teacher", "one"}};
    std::vector<Feature> features = random_features(30, 3);
    std::int64_t steps_run = 0;
    std::vector<std::string> messages;
    Sink sink{[this](std::string_view text) { messages.emplace_back(text); },
              [this](std::string_view text) { messages.emplace_back(text); },
              {}};
};

TEST_F(Resume, GoesOnBitForBitAfterASignalAtAnyStep) {
    const auto whole = train_to(-1);
    const auto whole_log = log();
    ASSERT_EQ(whole.result.steps, 12);
    for (const std::int64_t step : {1, 2, 4, 7, 11, 12}) {
        std::filesystem::remove_all(folder / "out");
        steps_run = 0;
        EXPECT_ERROR(train_to(step), fmt::format("training: stopped by SIGTERM after step {} of 12", step));
        const auto checkpoint = latest();
        ASSERT_TRUE(checkpoint);
        EXPECT_EQ(checkpoint->filename(), fmt::format("checkpoint-{}", step));
        const auto rest = train_to(-1, checkpoint);
        EXPECT_EQ(steps_run, 12);
        EXPECT_TRUE(test::same(rest.weights, whole.weights)) << step;
        EXPECT_EQ(log(), whole_log) << step;
        EXPECT_EQ(rest.result.loss, whole.result.loss);
        EXPECT_EQ(rest.result.tokens, whole.result.tokens);
        EXPECT_EQ(rest.result.best, whole.result.best);
        EXPECT_EQ(rest.result.best_step, whole.result.best_step);
    }
}

TEST_F(Resume, FromAnEarlierCheckpointWritesTheLogOnce) {
    const auto whole = train_to(-1);
    const auto whole_log = log();
    const auto rest = train_to(-1, folder / "out/checkpoint-4");
    EXPECT_TRUE(test::same(rest.weights, whole.weights));
    EXPECT_EQ(log(), whole_log);
}

TEST_F(Resume, KeepsTheNewestCheckpointsAndRemovesThoseOfAnEarlierRun) {
    std::filesystem::create_directories(folder / "out/checkpoint-99");
    std::filesystem::create_directories(folder / "out/.checkpoint-3");
    options.overwrite_output_dir = true;
    options.save_total_limit = 2;
    options.save_steps = 2;
    train_to(-1);
    EXPECT_EQ(folders(), (std::vector<std::string>{"checkpoint-10", "checkpoint-12", "checkpoint-best"}));
}

// One of a later step is of no use to the run, which has not come so far: it may be the damaged one.
TEST_F(Resume, NeverRemovesTheCheckpointThatItHasJustWritten) {
    options.load_best_model_at_end = false;
    train_to(-1);
    options.save_total_limit = 1;
    steps_run = 0;
    EXPECT_ERROR(train_to(5, folder / "out/checkpoint-4"), "stopped by SIGTERM after step 9");
    EXPECT_EQ(folders(), (std::vector<std::string>{"checkpoint-12", "checkpoint-9"}));
}

// The best model is there as long as it may be asked for, whatever the best step is.
TEST_F(Resume, OfAFinishedRunGivesTheBestModelAgain) {
    for (const bool greater : {true, false}) {
        std::filesystem::remove_all(folder / "out");
        options.greater_is_better = greater;
        const auto whole = train_to(-1);
        const auto again = train_to(-1, latest());
        EXPECT_EQ(again.result.best_step, whole.result.best_step);
        EXPECT_TRUE(test::same(again.weights, whole.weights)) << whole.result.best_step;
    }
}

// The folder is gone, or has the best of another run, or the metric is another.
TEST_F(Resume, ABestModelThatIsNoneIsNotTaken) {
    const auto with_other = [&](auto change, const std::string& reason) {
        std::filesystem::remove_all(folder / "out");
        options.metric_for_best_model.clear();
        train_to(-1);
        change();
        messages.clear();
        const auto rest = train_to(-1, folder / "out/checkpoint-8");
        EXPECT_GT(rest.result.best_step, 8);
        const auto all = fmt::format("{}", fmt::join(messages, "\n"));
        EXPECT_PRED2(test::contains, all, "the best model so far, of step ");
        EXPECT_PRED2(test::contains, all, reason);
        change();
        EXPECT_ERROR(train_to(-1, folder / "out/checkpoint-12"), "no step is left to find another");
    };
    const auto record = folder / "out/checkpoint-best/best.json";
    with_other([&] { std::filesystem::remove_all(folder / "out/checkpoint-best"); }, "has another model or none");
    with_other([&] { put("out/checkpoint-best/best.json", R"({"step":2})"); }, "has another model or none");
    with_other([&] { std::filesystem::remove(record); }, "has another model or none");
    with_other([&] { options.metric_for_best_model = options.metric_for_best_model.empty() ? "eval_other" : ""; },
               "it was chosen by ");
}

TEST_F(Resume, GoesOnWithMorePatience) {
    options.learning_rate = 0.0;  // nothing gets better
    options.early_stopping_patience = 1;
    EXPECT_EQ(train_to(-1).result.steps, 6);
    options.early_stopping_patience = 2;
    EXPECT_EQ(train_to(-1, folder / "out/checkpoint-4").result.steps, 9);
}

TEST_F(Resume, FallsBackToTheCheckpointBeforeOneThatIsDamaged) {
    train_to(-1);
    for (const std::string file :
         {"model.safetensors", "optimizer.safetensors", "trainer_state.json", "config.json", "checksums.json"}) {
        const auto name = "out/checkpoint-12/" + file, content = test::slurp(folder / name);
        damage(name);
        messages.clear();
        EXPECT_EQ(latest(), folder / "out/checkpoint-8") << file;
        ASSERT_EQ(messages.size(), 1U);
        EXPECT_PRED2(test::contains, messages[0], "checkpoint-12/" + file);
        EXPECT_PRED2(test::contains, messages[0], "looking for an earlier checkpoint");
        EXPECT_ERROR(checkpoint_to_resume((folder / "out/checkpoint-12").string(), "", {}), "checkpoint-12/" + file);
        put(name, content);
    }
    EXPECT_EQ(latest(), folder / "out/checkpoint-12");
    std::filesystem::remove(folder / "out/checkpoint-12/optimizer.safetensors");
    EXPECT_EQ(latest(), folder / "out/checkpoint-8");
}

TEST_F(Resume, WithoutACheckpointStartsAtTheBeginning) {
    EXPECT_EQ(latest(), std::nullopt);
    EXPECT_TRUE(messages.empty());
    EXPECT_EQ(checkpoint_to_resume("", options.output_dir, {}), std::nullopt);
    EXPECT_ERROR(checkpoint_to_resume((folder / "none").string(), "", {}),
                 "none: is no checkpoint of a training; give latest, or a folder checkpoint-N");
}

TEST_F(Resume, RefusesAnotherRunsCheckpoint) {
    options.save_steps = 12;
    train_to(-1);
    const auto checkpoint = latest();
    const auto other = [&](auto change, const std::string& part) {
        const auto options_before = options;
        const auto features_before = features;
        const auto settings_before = settings;
        change();
        EXPECT_ERROR(train_to(-1, checkpoint), part);
        options = options_before;
        features = features_before;
        settings = settings_before;
    };
    other([&] { options.learning_rate = 0.5; },
          "checkpoint-12: learning_rate: this run has 0.5, the checkpoint's had 0.001; resuming needs the same");
    other([&] { options.per_device_train_batch_size = 4; }, "sentences_a_step: this run has 4, the checkpoint's had 8");
    other([&] { features.back().input_ids.back() ^= 1; }, "examples_digest");
    other([&] { features.pop_back(); }, "examples: this run has 29");
    other([&] { settings = {{"teacher", "two"}}; }, "job: this run has {\"teacher\":\"two\"}");
}

TEST_F(Resume, RefusesAStateThatIsNone) {
    train_to(-1);
    const auto checkpoint = folder / "out/checkpoint-8";
    const auto state = nlohmann::json::parse(test::slurp(checkpoint / "trainer_state.json"));
    for (const std::string key : {"global_step", "settings", "window", "loss"}) {
        auto without = state, wrong = state;
        without.erase(key);
        wrong[key] = "x";
        for (const auto& bad : {without, wrong}) {
            put("out/checkpoint-8/trainer_state.json", bad.dump());
            EXPECT_ERROR(train_to(-1, checkpoint), "trainer_state.json: ") << key;
        }
    }
    const auto set = [&](auto change) {
        auto wrong = state;
        change(wrong);
        put("out/checkpoint-8/trainer_state.json", wrong.dump());
    };
    for (const auto step : {-2L, 1000L, std::numeric_limits<std::int64_t>::max()}) {
        set([&](auto& s) { s["global_step"] = step; });
        EXPECT_ERROR(train_to(-1, checkpoint), "is none of this run's") << step;
    }
    set([](auto& s) { s["global_step"] = 1e30; });
    EXPECT_THROW(train_to(-1, checkpoint), Error);
    set([](auto& s) { s["loss_scale"][0] = 0; });
    EXPECT_ERROR(train_to(-1, checkpoint), "loss_scale: is none");
    set([](auto& s) { s["window"]["terms"] = {1, 2, 3, 4, 5}; });
    EXPECT_ERROR(train_to(-1, checkpoint), "window.terms: is none");
    set([](auto& s) { s["window"]["load"] = {{1}, {2}}; });
    EXPECT_ERROR(train_to(-1, checkpoint), "window.load: is none");
    set([](auto& s) { s["seconds"] = 1e300; });
    EXPECT_ERROR(train_to(-1, checkpoint), "seconds: ");
    put("out/checkpoint-8/trainer_state.json", state.dump());
    auto tensors = load_training_remains(checkpoint).optimizer;
    auto less = tensors;
    less.erase("mean.classifier.weight");
    write_safetensors(checkpoint / "optimizer.safetensors", less);
    EXPECT_ERROR(train_to(-1, checkpoint), "optimizer: mean.classifier.weight: expected shape [3, 32], found none");
}

TEST_F(Resume, LeavesNothingOfACheckpointThatCouldNotBeWritten) {
    CheckpointWriter writer(folder, TokenizerSource{}, std::nullopt);
    writer.save({1, {}, {}, {}, {}});  // no model: what save_checkpoint refuses
    EXPECT_THROW(writer.wait(), Error);
    EXPECT_TRUE(std::filesystem::is_empty(folder));
}

}  // namespace
}  // namespace moebert
