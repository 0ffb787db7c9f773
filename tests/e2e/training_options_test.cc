// What finetune's options do to what it leaves behind.
#include <algorithm>
#include <array>

#include "support.h"

namespace moebert {
namespace {

using test::Arguments;
using test::json_lines;
using test::operator+;

class TrainingOptions : public test::Program {
protected:
    TrainingOptions() {
        put_model();
        put_classes("train.tsv", 24);
        put_classes("dev.tsv", 12);
    }
    Arguments finetune(const Arguments& more) const {
        return Arguments{"finetune",
                         "--model_name_or_path",
                         path("model"),
                         "--train_file",
                         path("train.tsv"),
                         "--output_dir",
                         path("out"),
                         "--max_seq_length",
                         "16",
                         "--num_threads",
                         "1",
                         "--per_device_train_batch_size",
                         "4"} +
               more;
    }
    Arguments with_validation() const { return {"--validation_file", path("dev.tsv")}; }

    std::vector<nlohmann::json> logged(const std::string& event) const {
        std::vector<nlohmann::json> found;
        for (const auto& line : json_lines(test::slurp(folder / "out/train_log.jsonl")))
            if (line.at("event") == event) found.push_back(line);
        return found;
    }
    std::vector<std::string> checkpoints() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(folder / "out"))
            if (entry.is_directory()) names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }
    double accuracy_of(const std::string& model) const {
        return succeed({"evaluate", "--model_name_or_path", path(model), "--validation_file", path("dev.tsv"),
                        "--output_dir", path("evaluated"), "--max_seq_length", "16"})
            .json()
            .at("eval_accuracy");
    }
};

TEST_F(TrainingOptions, LogEverySoManyStepsAndAtTheEnd) {
    succeed(finetune({"--max_steps", "5", "--logging_steps", "2"}));
    std::vector<int> steps;
    for (const auto& line : logged("train")) steps.push_back(line.at("step"));
    EXPECT_EQ(steps, (std::vector<int>{2, 4, 5}));
}

TEST_F(TrainingOptions, LearningRateRisesThenFalls) {
    succeed(finetune({"--max_steps", "4", "--logging_steps", "1", "--learning_rate", "1e-3", "--warmup_steps", "2"}));
    std::vector<double> rates;
    for (const auto& line : logged("train")) rates.push_back(line.at("learning_rate"));
    ASSERT_EQ(rates.size(), 4U);
    const double expected[] = {0.0, 5e-4, 1e-3, 5e-4};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(rates[i], expected[i], 1e-12);
}

TEST_F(TrainingOptions, WithoutValidationDataThereAreNoScores) {
    succeed(finetune({"--max_steps", "2"}));
    EXPECT_TRUE(exists("out/train_results.json"));
    EXPECT_FALSE(exists("out/eval_results.json"));
    EXPECT_PRED2(test::contains, test::slurp(folder / "out/README.md"), "Not evaluated.");
}

TEST_F(TrainingOptions, SaveStrategyKeepsTheNewestCheckpointsWhichAreWholeModels) {
    succeed(finetune({"--max_steps", "7", "--save_strategy", "steps", "--save_steps", "2", "--save_total_limit", "2"}));
    EXPECT_EQ(checkpoints(), (std::vector<std::string>{"checkpoint-4", "checkpoint-6"}));
    EXPECT_NO_THROW(accuracy_of("out/checkpoint-6"));
    EXPECT_NE(test::slurp(folder / "out/checkpoint-6/model.safetensors"),
              test::slurp(folder / "out/model.safetensors"));
}

TEST_F(TrainingOptions, SaveStrategyEpochSavesAfterEach) {
    succeed(finetune({"--num_train_epochs", "2", "--save_strategy", "epoch"}));
    EXPECT_EQ(checkpoints(), (std::vector<std::string>{"checkpoint-12", "checkpoint-6"}));
}

TEST_F(TrainingOptions, EvaluationStrategyStepsAndEpochEvaluateThen) {
    succeed(finetune(with_validation() +
                     Arguments{"--max_steps", "6", "--evaluation_strategy", "steps", "--eval_steps", "2"}));
    std::vector<int> steps;
    for (const auto& line : logged("eval")) steps.push_back(line.at("step"));
    EXPECT_EQ(steps, (std::vector<int>{2, 4, 6}));
    succeed(finetune(with_validation() +
                     Arguments{"--overwrite_output_dir", "--num_train_epochs", "2", "--evaluation_strategy", "epoch"}));
    EXPECT_EQ(logged("eval").size(), 2U);
}

TEST_F(TrainingOptions, LoadBestModelAtEndKeepsTheBestNotTheLast) {
    // So high a rate after a good start ruins the model: constant predictions at the end.
    succeed(
        finetune(with_validation() + Arguments{"--max_steps", "40", "--learning_rate", "2e-3", "--evaluation_strategy",
                                               "steps", "--eval_steps", "1", "--load_best_model_at_end", "True",
                                               "--lr_scheduler_type", "constant"}));
    double best = 0.0;
    int step = 0;
    for (const auto& line : logged("eval"))
        if (line.at("accuracy") > best) {
            best = line.at("accuracy");
            step = line.at("step");
        }
    const auto results = read_json("out/all_results.json");
    EXPECT_EQ(results.at("best_metric"), best);
    EXPECT_EQ(results.at("best_step"), step);
    EXPECT_LT(step, 40);
    EXPECT_EQ(results.at("eval_accuracy"), best);
    EXPECT_EQ(accuracy_of("out"), best);
    EXPECT_EQ(checkpoints(), (std::vector<std::string>{"checkpoint-best"}));
    EXPECT_EQ(accuracy_of("out/checkpoint-best"), best);
}

TEST_F(TrainingOptions, ALossIsBetterWhenItIsSmaller) {
    succeed(
        finetune(with_validation() + Arguments{"--max_steps", "12", "--learning_rate", "1e-3", "--evaluation_strategy",
                                               "steps", "--eval_steps", "2", "--load_best_model_at_end",
                                               "--metric_for_best_model", "eval_loss"}));
    double least = 1e9;
    for (const auto& line : logged("eval")) least = std::min(least, line.at("loss").get<double>());
    EXPECT_EQ(read_json("out/all_results.json").at("best_metric"), least);
}

TEST_F(TrainingOptions, EarlyStoppingStopsAfterSoManyEvaluationsWithoutABetterOne) {
    const auto outcome = succeed(
        finetune(with_validation() + Arguments{"--max_steps", "50", "--learning_rate", "0", "--evaluation_strategy",
                                               "steps", "--eval_steps", "1", "--early_stopping_patience", "3"}));
    EXPECT_PRED2(test::contains, outcome.err, "stopping early");
    EXPECT_EQ(outcome.json().at("train_steps"), 4);  // the first is the best, three more are no better
    EXPECT_EQ(outcome.json().at("best_step"), 1);
}

TEST_F(TrainingOptions, ACorrelationThatIsUndefinedAtFirstIsNotTheBest) {
    put("train.tsv", "sentence1\tlabel\nw1\t0.5\nw2\t1.5\nw3\t2.5\n");
    put("dev.tsv", "sentence1\tlabel\nw1\t0.5\nw2\t1.5\nw3\t2.5\n");
    std::filesystem::remove_all(folder / "model");
    put_model("reg");
    // A head of zeros predicts one number for all, until the first step.
    auto model = load_checkpoint(folder / "model");
    model.tensors["classifier.weight"] = Tensor::from<float>({1, 32}, std::vector<float>(32, 0.0F));
    save_checkpoint(folder / "model", model.config, model.tensors);
    succeed(finetune(with_validation() + Arguments{"--max_steps", "6", "--warmup_steps", "1", "--evaluation_strategy",
                                                   "steps", "--eval_steps", "1", "--learning_rate", "1e-2",
                                                   "--load_best_model_at_end", "--metric_for_best_model", "pearson"}));
    ASSERT_TRUE(logged("eval").front().at("pearson").is_null());
    const auto results = read_json("out/all_results.json");
    EXPECT_TRUE(results.at("best_metric").is_number());
    EXPECT_GT(results.at("best_step").get<int>(), 1);
}

TEST_F(TrainingOptions, OverwriteOutputDirWritesIntoAFolderThatIsNotEmpty) {
    std::filesystem::create_directories(folder / "out");
    put("out/mine.txt", "kept");
    succeed(finetune({"--max_steps", "1", "--overwrite_output_dir"}));
    EXPECT_EQ(test::slurp(folder / "out/mine.txt"), "kept");
    EXPECT_TRUE(exists("out/model.safetensors"));
}

TEST_F(TrainingOptions, MaxSamplesTakeTheFirst) {
    const auto outcome = succeed(finetune(
        with_validation() + Arguments{"--max_train_samples", "8", "--max_eval_samples", "5", "--max_steps", "1"}));
    EXPECT_EQ(outcome.json().at("eval_samples"), 5);
    EXPECT_PRED2(test::contains, outcome.err, "training: 8 sentences");
}

TEST_F(TrainingOptions, ReportToTensorboardWritesAnEventFile) {
    succeed(finetune(
        {"--max_steps", "2", "--logging_steps", "1", "--report_to", "tensorboard", "--logging_dir", path("events")}));
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "events")) {
        EXPECT_TRUE(entry.path().filename().string().starts_with("events.out.tfevents."));
        EXPECT_PRED2(test::contains, test::slurp(entry.path()), "train/loss");
        ++files;
    }
    EXPECT_EQ(files, 1);
}

TEST_F(TrainingOptions, ANewHeadIsAnnouncedAndMade) {
    put_data("two.tsv", 12, [](int i) { return i % 2 == 0 ? "no" : "yes"; });
    const auto outcome = succeed(finetune({"--max_steps", "1", "--train_file", path("two.tsv")}));
    EXPECT_PRED2(test::contains, outcome.err,
                 "classifier.weight is not in " + path("model") + ", or not of this shape: initialised at random");
    EXPECT_EQ(read_json("out/config.json").at("id2label"), (nlohmann::json{{"0", "no"}, {"1", "yes"}}));
}

// The head's rows stay what they are: at a learning rate of zero the model says what it said.
TEST_F(TrainingOptions, AModelKeepsTheOrderOfItsLabels) {
    auto model = load_checkpoint(folder / "model");
    model.config.label_names = {"pos", "neutral", "neg"};
    save_checkpoint(folder / "model", model.config, model.tensors);
    put_data("words.tsv", 12, [](int i) {
        return std::array{"neg", "neutral", "pos"}[static_cast<std::size_t>(i % 3)];
    });
    const auto outcome =
        succeed(finetune({"--max_steps", "1", "--learning_rate", "0", "--train_file", path("words.tsv")}));
    EXPECT_PRED2(test::contains, outcome.err, "3 labels: pos, neutral, neg");
    EXPECT_EQ(load_checkpoint(folder / "out").config.label_names, model.config.label_names);
    const auto predict = [&](const std::string& directory) {
        return succeed({"predict", "--model_name_or_path", path(directory)}, "w1 w2\nw3\n").out;
    };
    EXPECT_EQ(predict("out"), predict("model"));
}

TEST_F(TrainingOptions, MetricsOfMismatchedDataAreNamedSo) {
    std::filesystem::create_directories(folder / "MNLI");
    for (const char* file : {"train.tsv", "dev_mismatched.tsv"})
        put(std::string("MNLI/") + file,
            "index\tsentence1\tsentence2\tgold_label\n0\tw1\tw2\tneutral\n1\tw3\tw4\tentailment\n");
    const Arguments mnli{"--task_name", "mnli", "--data_dir", path("MNLI")};
    const auto metrics = [](const nlohmann::json& results) {
        return std::pair{results.contains("eval_accuracy"), results.contains("eval_accuracy_mm")};
    };
    succeed(finetune(mnli + Arguments{"--train_file", "", "--max_steps", "1", "--evaluation_strategy", "steps",
                                      "--load_best_model_at_end", "True", "--eval_steps", "1"}));
    EXPECT_EQ(metrics(read_json("out/eval_results.json")), std::pair(false, true));
    EXPECT_EQ(
        metrics(succeed(Arguments{"evaluate", "--model_name_or_path", path("out"), "--max_seq_length", "16"} + mnli)
                    .json()),
        std::pair(false, true));
}

TEST_F(TrainingOptions, OptionsWithoutEffectAreWarnedOf) {
    put_data("few.tsv", 8, [](int i) { return i % 2 == 0 ? "no" : "yes"; });
    succeed(finetune({"--max_steps", "1", "--train_file", path("few.tsv"), "--output_dir", path("teacher")}));
    const auto outcome = succeed({"distill",
                                  "--model_name_or_path",
                                  path("teacher"),
                                  "--train_file",
                                  path("few.tsv"),
                                  "--output_dir",
                                  path("student"),
                                  "--max_steps",
                                  "1",
                                  "--split_method",
                                  "random",
                                  "--num_experts",
                                  "2",
                                  "--expert_size",
                                  "20",
                                  "--shared_size",
                                  "8",
                                  "--load_balance",
                                  "0.1",
                                  "--hash_list",
                                  path("none.pkl"),
                                  "--importance_file",
                                  path("none"),
                                  "--max_seq_length",
                                  "16"});
    for (const char* name :
         {"load_balance: has no effect", "hash_list: has no effect", "importance_file: has no effect"})
        EXPECT_PRED2(test::contains, outcome.err, name);
}

TEST_F(TrainingOptions, StepsMayBeSharesOfAllSteps) {
    succeed(
        finetune({"--max_steps", "8", "--logging_steps", "0.25", "--save_strategy", "steps", "--save_steps", "0.5"}));
    std::vector<std::int64_t> steps;
    for (const auto& line : test::json_lines(test::slurp(folder / "out/train_log.jsonl")))
        if (line.at("event") == "train") steps.push_back(line.at("step"));
    EXPECT_EQ(steps, (std::vector<std::int64_t>{2, 4, 6, 8}));
    EXPECT_TRUE(exists("out/checkpoint-4"));
    EXPECT_FALSE(exists("out/checkpoint-2"));
    for (const char* value : {"0", "-0.5", "2.5"})
        refuse(2, finetune({"--logging_steps", value}), {"logging_steps: ", "whole number of steps, or a share"});
}

TEST_F(TrainingOptions, OfHuggingFacesTrainerAreTaken) {
    succeed(finetune({"--max_steps", "3", "--optim", "adamw_torch_fused", "--label_smoothing_factor", "0.1",
                      "--group_by_length", "--lr_scheduler_type", "polynomial"}));
    refuse(2, finetune({"--optim", "adafactor"}), {"optim: 'adafactor' given; expected adamw_torch"});
    refuse(2, finetune({"--label_smoothing_factor", "1"}), {"label_smoothing_factor: 1 given"});
}

TEST_F(TrainingOptions, SmoothedLabelsAreThoseOfClasses) {
    put_data("numbers.tsv", 6, [](int i) { return fmt::format("{}.5", i); });
    refuse(2, finetune({"--train_file", path("numbers.tsv"), "--label_smoothing_factor", "0.1"}),
           {"label_smoothing_factor: 0.1 given; it is for classes, and the data has numbers"});
}

TEST_F(TrainingOptions, FlagsOfOtherScriptsNeedNoValue) {
    const auto outcome = succeed(finetune({"--logging_first_step", "--max_steps", "1"}));
    ASSERT_EQ(warnings(outcome).size(), 1U);
    EXPECT_PRED2(test::contains, warnings(outcome)[0], "logging_first_step");
}

TEST_F(TrainingOptions, LabelsThatMayBeAMistakeAreWarnedOf) {
    put_data("one.tsv", 6, [](int) { return "yes"; });
    EXPECT_EQ(warnings(succeed(finetune({"--max_steps", "1", "--train_file", path("one.tsv")}))),
              (std::vector<std::string>{"warning: " + path("one.tsv") +
                                        ": all labels are \"yes\": there is nothing to learn"}));
    put_data("odd.tsv", 6, [](int i) { return i == 4 ? "none" : fmt::format("{}.5", i); });
    const auto found =
        warnings(succeed(finetune({"--max_steps", "1", "--train_file", path("odd.tsv"), "--overwrite_output_dir"})));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_PRED2(test::contains, found[0], "labels are taken for classes since \"none\" is no finite number");
}

TEST_F(TrainingOptions, MessagesShowWhatATerminalCan) {
    put("odd.tsv", "sentence1\tlabel\nw1\t\x1B[31mred\nw2\tplain\n");
    const auto outcome = succeed(finetune({"--max_steps", "1", "--train_file", path("odd.tsv")}));
    EXPECT_PRED2(test::contains, outcome.err, "2 labels: \\x1B[31mred, plain");
    EXPECT_FALSE(test::contains(outcome.err, "\x1B"));
}

// Every later step takes text as it was trained; what is cut is said.
TEST_F(TrainingOptions, TheLengthIsKeptWithTheModel) {
    std::string words = "w1";
    for (int i = 0; i < 30; ++i) words += " w2";
    put("long.tsv", "sentence1\tlabel\n" + words + "\t0\nw2\t1\nw3\t2\n");
    const auto trained =
        succeed(finetune({"--max_steps", "1", "--train_file", path("long.tsv"), "--max_seq_length", "24"}));
    EXPECT_EQ(trained.json().at("max_seq_length"), 24);
    EXPECT_EQ(trained.json().at("train_truncated_samples"), 1);
    const auto said = path("long.tsv") + ": 1 of 3 texts are longer than max_seq_length 24 and were cut to it";
    EXPECT_EQ(warnings(trained), std::vector<std::string>{"warning: " + said});
    EXPECT_EQ(read_json("out/tokenizer_config.json").at("model_max_length"), 24);
    EXPECT_PRED2(test::contains, test::slurp(folder / "out/README.md"), "on inputs of up to 24 tokens");
    const Arguments evaluate{"evaluate",       "--model_name_or_path", path("out"),      "--validation_file",
                             path("long.tsv"), "--output_dir",         path("evaluated")};
    const auto evaluated = succeed(evaluate);
    EXPECT_EQ(evaluated.json().at("max_seq_length"), 24);
    EXPECT_EQ(evaluated.json().at("eval_truncated_samples"), 1);
    EXPECT_EQ(warnings(evaluated), std::vector<std::string>{"warning: " + said});
    EXPECT_EQ(succeed(evaluate + Arguments{"--max_seq_length", "40"}).json().at("eval_truncated_samples"), 0);
    const Arguments predict{"predict", "--model_name_or_path", path("out")};
    EXPECT_EQ(succeed(predict, words + "\n").out,
              succeed(predict + Arguments{"--max_seq_length", "24"}, words + "\n").out);
    // Of a model from elsewhere, what it has positions for.
    const auto plain = succeed({"predict", "--model_name_or_path", path("model")}, words + "\n");
    EXPECT_EQ(warnings(plain), std::vector<std::string>());
}

TEST_F(TrainingOptions, ColumnsAndKindsOfLabelsMayBeNamed) {
    put("odd.csv", "heading,words,kind\nx,w1,5\ny,w2,3\n");
    const Arguments data{"--train_file", path("odd.csv"), "--max_steps", "1"};
    refuse(1, finetune(data), {path("odd.csv"), "heading, words; name them with text_column_names"});
    const Arguments named{"--text_column_names", "words", "--label_column_name", "kind"};
    succeed(finetune(data + named));
    EXPECT_EQ(read_json("out/config.json").at("id2label"), nlohmann::json({{"0", "3"}, {"1", "5"}}));
    succeed(finetune(data + named + Arguments{"--problem_type", "regression", "--overwrite_output_dir"}));
    EXPECT_EQ(read_json("out/config.json").at("problem_type"), "regression");
    refuse(2, finetune(data + Arguments{"--problem_type", "ranking", "--overwrite_output_dir"}),
           {"problem_type", "ranking"});
    const auto predict = succeed({"predict", "--model_name_or_path", path("model"), "--text_column_names", "words"},
                                 "{\"words\": \"w1\", \"heading\": \"x\"}\n{\"words\": \"w2\", \"heading\": \"y\"}\n");
    EXPECT_EQ(json_lines(predict.out).size(), 2U);
}

TEST_F(TrainingOptions, ATasksFolderNeedsNoFileThatIsNotUsed) {
    std::filesystem::create_directories(folder / "RTE");
    put("RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n0\tw1\tw2\tentailment\n1\tw3\tw4\tnot_entailment\n");
    const Arguments rte{"--train_file", "", "--task_name", "rte", "--data_dir", path("RTE"), "--max_steps", "1"};
    EXPECT_PRED2(test::contains, succeed(finetune(rte)).err, "there is no validation data: the model is not evaluated");
    refuse(2, finetune(rte + Arguments{"--overwrite_output_dir", "--evaluation_strategy", "steps"}),
           {"evaluation_strategy steps: there is no validation data"});
}

TEST_F(TrainingOptions, SkippedRowsOfQqpAreAWarning) {
    std::filesystem::create_directories(folder / "QQP");
    put("QQP/dev.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tw1\tw2\t0\n");
    put("QQP/train.tsv",
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tw1\tw2\t0\n1\t1\t2\tw1\n2\t1\t2\tw3\tw4\t1\n");
    const auto outcome =
        succeed(finetune({"--train_file", "", "--task_name", "qqp", "--data_dir", path("QQP"), "--max_steps", "1"}));
    EXPECT_EQ(warnings(outcome), (std::vector<std::string>{"warning: " + path("QQP/train.tsv") +
                                                           ": 1 rows with too few columns are left out"}));
    EXPECT_PRED2(test::contains, outcome.err, "training: 2 sentences");
}

}  // namespace
}  // namespace moebert
