// The whole job, step by step, as a user runs it.
#include <cmath>
#include <numeric>

#include "support.h"

namespace moebert {
namespace {

using test::Arguments;
using test::json_lines;
using test::lines_of;
using test::operator+;

class Pipeline : public test::Program {
protected:
    const Arguments quick{"--max_seq_length", "16", "--num_threads", "2"};
    const Arguments experts{"--num_experts", "4", "--expert_size", "16", "--shared_size", "8"};

    Arguments data() const { return {"--train_file", path("train.tsv"), "--validation_file", path("dev.tsv")}; }

    // A fine-tuned model in "teacher" that has learnt put_classes's data.
    void fine_tune(const std::string& problem = "cls3") const {
        succeed(Arguments{"finetune", "--model_name_or_path", put_model(problem), "--output_dir", path("teacher"),
                          "--learning_rate", "1e-3", "--num_train_epochs", "6"} +
                data() + quick);
    }

    void put_class_data() const {
        put_classes("train.tsv", 60);
        put_classes("dev.tsv", 24);
    }

    Arguments distill(const std::string& output) const {
        return Arguments{"distill",
                         "--model_name_or_path",
                         path("teacher"),
                         "--output_dir",
                         path(output),
                         "--learning_rate",
                         "1e-3",
                         "--num_train_epochs",
                         "2",
                         "--logging_steps",
                         "2"} +
               data() + quick;
    }

    void expect_results(const std::string& output) const {
        for (const char* file : {"train_results.json", "eval_results.json", "all_results.json"}) {
            ASSERT_TRUE(exists(output + "/" + file)) << file;
            EXPECT_TRUE(read_json(output + "/" + file).is_object()) << file;
        }
        for (const char* file : {"config.json", "model.safetensors", "vocab.txt", "README.md", "train_log.jsonl"})
            EXPECT_TRUE(exists(output + "/" + file)) << file;
        EXPECT_FALSE(json_lines(test::slurp(folder / output / "train_log.jsonl")).empty());
    }
};

TEST_F(Pipeline, FinetuneLearnsAndLeavesModelResultsLogAndCard) {
    put_class_data();
    const auto outcome = succeed(Arguments{"finetune", "--model_name_or_path", put_model(), "--output_dir",
                                           path("teacher"), "--learning_rate", "1e-3", "--num_train_epochs", "6"} +
                                 data() + quick);
    expect_results("teacher");
    EXPECT_EQ(outcome.json(), read_json("teacher/all_results.json"));
    EXPECT_GE(outcome.json().at("eval_accuracy").get<double>(), 0.9);
    EXPECT_EQ(outcome.json().at("epoch"), 6.0);
    EXPECT_EQ(outcome.json().at("train_steps"), 6 * 8);
    EXPECT_EQ(outcome.json().at("eval_samples"), 24);
    EXPECT_EQ(read_json("teacher/config.json").at("id2label").at("2"), "2");
    const auto card = test::slurp(folder / "teacher/README.md");
    EXPECT_PRED2(test::contains, card, "moebert finetune --model_name_or_path");
    EXPECT_PRED2(test::contains, card, "eval_accuracy");
    EXPECT_TRUE(card.starts_with(
        "---\nlibrary_name: transformers\npipeline_tag: text-classification\nbase_model: \"model\"\n"
        "datasets:\n- \"train.tsv\"\ntags:\n- bert\nmetrics:\n- accuracy\n- f1\n- precision\n- recall\n"
        "model-index:\n- name: \"teacher\"\n"))
        << card;
    EXPECT_PRED2(test::contains, card, "| num_train_epochs | 6.0 |");
    EXPECT_EQ(test::slurp(folder / "teacher/vocab.txt"), vocabulary());
}

TEST_F(Pipeline, EveryStepTakesWhatTheOneBeforeItLeft) {
    put_class_data();
    fine_tune();
    const auto scores =
        succeed(Arguments{"importance", "--model_name_or_path", path("teacher"), "--output_dir", path("scores")} +
                data() + quick)
            .json();
    EXPECT_EQ(scores.at("examples"), 60);
    EXPECT_EQ(scores.at("layers"), 3);
    EXPECT_EQ(scores.at("neurons"), 64);
    EXPECT_EQ(scores.at("file"), path("scores/importance.safetensors"));
    const auto list = succeed({"hash-balance", "--model_name_or_path", path("teacher"), "--train_file",
                               path("train.tsv"), "--max_seq_length", "16", "--output_dir", path("scores")})
                          .json();
    EXPECT_EQ(list.at("file"), path("scores/hash_list.pkl"));
    const auto load = list.at("expert_load").get<std::vector<std::int64_t>>();
    EXPECT_EQ(load.size(), 4U);
    EXPECT_EQ(std::accumulate(load.begin(), load.end(), std::int64_t{0}), list.at("tokens").get<std::int64_t>());

    for (const std::string method : {"hash-random", "hash-balance", "gate-token", "gate-sentence"}) {
        SCOPED_TRACE(method);
        const Arguments routing{"--route_method", method, "--hash_list", path("scores/hash_list.pkl")};
        const Arguments with_scores{"--importance_file", path("scores/importance.safetensors")};
        const auto split = succeed(
            Arguments{"split", "--model_name_or_path", path("teacher"), "--output_dir", path("split-" + method)} +
            experts + routing + with_scores);
        EXPECT_EQ(split.json().at("route_method"), method);
        const auto distilled = succeed(distill("student-" + method) + experts + routing + with_scores +
                                       Arguments{"--load_balance", "0.01", "--distill_weight", "2"})
                                   .json();
        expect_results("student-" + method);
        EXPECT_TRUE(distilled.contains("teacher_accuracy"));
        const auto evaluated = succeed({"evaluate", "--model_name_or_path", path("student-" + method),
                                        "--validation_file", path("dev.tsv"), "--max_seq_length", "16"})
                                   .json();
        EXPECT_EQ(evaluated.at("eval_accuracy"), distilled.at("eval_accuracy"));
        EXPECT_NEAR(evaluated.at("eval_loss").get<double>(), distilled.at("eval_loss").get<double>(), 1e-6);
        EXPECT_EQ(read_json("student-" + method + "/eval_results.json"), evaluated);
        const auto shown = succeed({"inspect", "--json", path("student-" + method)}).json();
        EXPECT_EQ(shown.at("kind"), "mixture of experts");
        EXPECT_EQ(shown.at("moe").at("route_method"), method);
        const auto predicted = succeed(
            {"predict", "--model_name_or_path", path("student-" + method), "--max_seq_length", "16"}, "w1 w3\nw2\n");
        EXPECT_EQ(json_lines(predicted.out).size(), 2U);
    }
}

TEST_F(Pipeline, SplitByImportanceBeatsInverseOnTheTeachersTask) {
    put_class_data();
    fine_tune();
    succeed(Arguments{"importance", "--model_name_or_path", path("teacher"), "--output_file", path("scores.pkl")} +
            data() + quick);
    std::map<std::string, double> loss;
    for (const std::string method : {"importance", "random", "inverse"}) {
        succeed({"split", "--model_name_or_path", path("teacher"), "--output_dir", path(method), "--split_method",
                 method, "--importance_file", path("scores.pkl"), "--num_experts", "4", "--expert_size", "16",
                 "--shared_size", "16"});
        loss[method] = succeed({"evaluate", "--model_name_or_path", path(method), "--validation_file", path("dev.tsv"),
                                "--max_seq_length", "16"})
                           .json()
                           .at("eval_loss");
    }
    EXPECT_LT(loss["importance"], loss["inverse"]);
    EXPECT_NE(loss["random"], loss["importance"]);
}

TEST_F(Pipeline, ImportanceOfTwoProcessesMergesToThatOfOne) {
    put_class_data();
    put_model();
    const auto base =
        Arguments{"importance", "--model_name_or_path", path("model"), "--output_dir", path("scores")} + data() + quick;
    succeed(base);
    for (const std::string rank : {"0", "1"})
        EXPECT_EQ(succeed(base + Arguments{"--world_size", "2", "--rank", rank}).json().at("file"),
                  path("scores/importance." + rank + "-of-2.safetensors"));
    const auto merged =
        succeed({"merge-importance", path("scores/importance.0-of-2.safetensors"),
                 path("scores/importance.1-of-2.safetensors"), "--output_file", path("merged.safetensors")});
    EXPECT_EQ(merged.json().at("examples"), 60);
    EXPECT_EQ(merged.json().at("parts"), 2);
    EXPECT_TRUE(exists("scores/importance.0-of-2.safetensors"));
    EXPECT_TRUE(exists("scores/importance.1-of-2.safetensors"));
    const auto whole = succeed({"inspect", "--json", path("scores/importance.safetensors")}).json();
    const auto sum = succeed({"inspect", "--json", path("merged.safetensors")}).json();
    EXPECT_EQ(sum.at("model_digest"), whole.at("model_digest"));
    for (std::size_t k = 0; k < 3; ++k)
        for (const auto& [name, value] : whole.at("concentration").at(k).items())
            EXPECT_NEAR(sum.at("concentration").at(k).at(name).get<double>(), value.get<double>(), 1e-6) << name;
}

TEST_F(Pipeline, FilesMayHaveNamesThatAreNoUtf8) {
    put_model();
    const std::string strange = "r\xe9sultats";
    put_classes(strange + ".tsv", 24);
    const Arguments files{"--model_name_or_path", path("model"), "--train_file", path(strange + ".tsv")};
    succeed(Arguments{"importance", "--output_dir", path(strange)} + files + quick);
    const auto scores = path(strange + "/importance.safetensors");
    EXPECT_EQ(succeed({"inspect", "--json", scores}).json().at("layers"), 3);
    succeed(Arguments{"distill", "--output_dir", path(strange + "2"), "--importance_file", scores} + files + quick +
            experts + Arguments{"--max_steps", "1"});
    EXPECT_TRUE(exists(strange + "2/all_results.json"));
}

TEST_F(Pipeline, DistillTakesAStudentThatSplitMade) {
    put_class_data();
    fine_tune();
    succeed(Arguments{"split", "--model_name_or_path", path("teacher"), "--output_dir", path("split"), "--split_method",
                      "random", "--route_method", "gate-token"} +
            experts);
    succeed(distill("student") + Arguments{"--student_name_or_path", path("split")});
    const auto shown = succeed({"inspect", "--json", path("student")}).json();
    EXPECT_EQ(shown.at("moe").at("route_method"), "gate-token");
    EXPECT_FALSE(exists("student/importance.safetensors"));
    const auto outcome = succeed(distill("other") + Arguments{"--student_name_or_path", path("split"),
                                                              "--expert_dropout", "0", "--num_experts", "2"});
    EXPECT_PRED2(test::contains, outcome.err, "warning: num_experts: has no effect");
    const auto made = read_json("other/config.json").at("moebert");
    EXPECT_EQ(made.at("expert_dropout"), 0.0);
    EXPECT_EQ(made.at("num_experts"), shown.at("moe").at("num_experts"));
}

TEST_F(Pipeline, TheTeacherPredictsWithoutDropout) {
    put_class_data();
    put_model("cls3", "teacher");
    auto config = read_json("teacher/config.json");
    config["hidden_dropout_prob"] = config["attention_probs_dropout_prob"] = 0.5;
    put("teacher/config.json", config.dump());
    // One expert of all neurons: the student computes what the teacher does, with dropout off.
    succeed({"split", "--model_name_or_path", path("teacher"), "--output_dir", path("split"), "--split_method",
             "random", "--num_experts", "1", "--expert_size", "64", "--shared_size", "64", "--expert_dropout", "0"});
    succeed(distill("student") + Arguments{"--student_name_or_path", path("split"), "--dropout", "0", "--learning_rate",
                                           "0", "--logging_steps", "1"});
    for (const auto& line : json_lines(test::slurp(folder / "student/train_log.jsonl"))) {
        if (line.at("event") != "train") continue;
        EXPECT_LE(line.at("loss_hidden").get<double>(), 1e-9);
        EXPECT_LE(line.at("loss_prediction").get<double>(), 1e-9);
    }
}

TEST_F(Pipeline, DistillWithoutScoresMakesThemFirstAndKeepsThem) {
    put_class_data();
    fine_tune();
    const auto outcome = succeed(distill("student") + experts);
    EXPECT_PRED2(test::contains, outcome.err, "scoring the teacher's neurons");
    const auto scores = succeed({"inspect", "--json", path("student/importance.safetensors")}).json();
    EXPECT_EQ(scores.at("kind"), "importance scores");
    EXPECT_EQ(scores.at("examples"), 60);
}

TEST_F(Pipeline, DistillLogsEveryTermOfTheLossAndTheExpertsLoad) {
    put_class_data();
    fine_tune();
    succeed(distill("student") + experts + Arguments{"--route_method", "gate-token", "--load_balance", "0.1"});
    int training_lines = 0;
    for (const auto& line : json_lines(test::slurp(folder / "student/train_log.jsonl"))) {
        if (line.at("event") != "train") continue;
        ++training_lines;
        for (const char* name : {"loss", "loss_task", "loss_hidden", "loss_prediction", "loss_balance", "learning_rate",
                                 "grad_norm", "tokens_per_second", "epoch"})
            EXPECT_TRUE(line.at(name).is_number()) << name;
        const double total = line.at("loss_task").get<double>() + line.at("loss_hidden").get<double>() +
                             line.at("loss_prediction").get<double>() + 0.1 * line.at("loss_balance").get<double>();
        EXPECT_NEAR(line.at("loss").get<double>(), total, 1e-5 * (1 + total));
        ASSERT_EQ(line.at("expert_load").size(), 3U);
        for (const auto& layer : line.at("expert_load")) {
            const auto shares = layer.get<std::vector<double>>();
            EXPECT_EQ(shares.size(), 4U);
            EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1.0, 1e-9);
        }
    }
    EXPECT_GE(training_lines, 8);
}

TEST_F(Pipeline, OptionsAreKeptInFullAndAreARecipe) {
    put_class_data();
    fine_tune();
    succeed(distill("student") + experts + Arguments{"--num_threads", "1"});
    const auto options = read_json("student/training_args.json");
    EXPECT_EQ(options.at("learning_rate"), 1e-3);
    EXPECT_EQ(options.at("expert_size"), 16);
    EXPECT_EQ(options.at("load_balance"), "auto");
    EXPECT_EQ(options.at("model_name_or_path"), path("teacher"));
    succeed({"distill", "--config", path("student/training_args.json"), "--output_dir", path("again")});
    EXPECT_EQ(test::slurp(folder / "again/model.safetensors"), test::slurp(folder / "student/model.safetensors"));
}

TEST_F(Pipeline, SizesFollowTheModelAndDistillSaysWhatItKept) {
    put_class_data();
    fine_tune();
    const auto outcome = succeed(distill("student"));
    EXPECT_EQ(read_json("student/config.json").at("moebert").at("expert_size"), 16);
    EXPECT_EQ(read_json("student/config.json").at("moebert").at("shared_size"), 10);
    const auto kept = outcome.json().at("kept");
    EXPECT_EQ(kept.at("feed_forward_multiply_adds_of_a_token"),
              (nlohmann::json{{"teacher", 3 * 2 * 32 * 64}, {"student", 3 * 2 * 32 * 16}}));
    const auto parameters = [&](const std::string& model) {
        return succeed({"inspect", "--json", path(model)}).json().at("parameters");
    };
    EXPECT_EQ(kept.at("parameters").at("teacher"), parameters("teacher"));
    EXPECT_EQ(kept.at("parameters").at("student"), parameters("student"));
    EXPECT_EQ(kept.at("score").at("metric"), "accuracy");
    EXPECT_EQ(kept.at("score").at("share"),
              outcome.json().at("eval_accuracy").get<double>() / outcome.json().at("teacher_accuracy").get<double>());
    EXPECT_PRED2(test::contains, outcome.err, "% of the teacher's accuracy (");
    EXPECT_PRED2(test::contains, outcome.err, "25.0 % of its feed-forward multiply-adds a token (3072 of 12288)");
}

TEST_F(Pipeline, DistillMakesTheHashListThatHashBalanceMakes) {
    put_class_data();
    fine_tune();
    const auto outcome = succeed(distill("student") + experts + Arguments{"--route_method", "hash-balance"});
    EXPECT_PRED2(test::contains, outcome.err, "no --hash_list: making one of the training examples");
    succeed({"hash-balance", "--model_name_or_path", path("teacher"), "--train_file", path("train.tsv"),
             "--max_seq_length", "16", "--output_dir", path("list")});
    EXPECT_EQ(test::slurp(folder / "student/hash_list.pkl"), test::slurp(folder / "list/hash_list.pkl"));
}

TEST_F(Pipeline, ClassesAreScoredOneByOneAndAnyAverageChoosesTheBest) {
    put_class_data();
    fine_tune();
    const auto evaluated = succeed({"evaluate", "--model_name_or_path", path("teacher"), "--validation_file",
                                    path("dev.tsv"), "--max_seq_length", "16"})
                               .json();
    double f1 = 0.0, hits = 0.0;
    for (const auto& [name, scores] : evaluated.at("eval_report").items()) {
        EXPECT_EQ(scores.at("support"), 8) << name;
        f1 += scores.at("f1").get<double>() / 3;
        hits += scores.at("recall").get<double>() * 8;
    }
    EXPECT_NEAR(evaluated.at("eval_f1_macro").get<double>(), f1, 1e-12);
    EXPECT_NEAR(evaluated.at("eval_recall_weighted").get<double>(), hits / 24, 1e-12);
    EXPECT_EQ(evaluated.at("eval_confusion_matrix").size(), 3U);
    EXPECT_EQ(read_json("teacher/all_results.json").at("eval_f1_macro"), evaluated.at("eval_f1_macro"));
    const auto results = succeed(distill("student") + experts +
                                 Arguments{"--evaluation_strategy", "epoch", "--load_best_model_at_end",
                                           "--metric_for_best_model", "eval_f1_macro"})
                             .json();
    EXPECT_EQ(results.at("best_metric"), results.at("eval_f1_macro"));
}

TEST_F(Pipeline, TheExpertsLoadIsInTheResultsAndOnTheCard) {
    put_class_data();
    fine_tune();
    const auto results = succeed(distill("student") + experts + Arguments{"--route_method", "gate-token"}).json();
    const auto evaluated = succeed({"evaluate", "--model_name_or_path", path("student"), "--validation_file",
                                    path("dev.tsv"), "--max_seq_length", "16", "--output_dir", path("evaluated")})
                               .json();
    for (const std::size_t layer : {0, 1})  // in the last one `evaluate` computes sentences' first tokens only
        EXPECT_EQ(results.at("expert_load")[layer], evaluated.at("expert_load")[layer]) << "is of the validation data";
    for (const auto* file : {"student/train_results.json", "student/eval_results.json", "student/all_results.json"}) {
        const auto load = read_json(file).at("expert_load").get<std::vector<std::vector<double>>>();
        ASSERT_EQ(load.size(), 3U) << file;
        for (const auto& layer : load) {
            EXPECT_EQ(layer.size(), 4U);
            EXPECT_NEAR(std::accumulate(layer.begin(), layer.end(), 0.0), 1.0, 1e-9);
        }
    }
    EXPECT_PRED2(test::contains, test::slurp(folder / "student/README.md"), "| layer | expert 0 | expert 1 |");
    EXPECT_FALSE(read_json("teacher/all_results.json").contains("expert_load"));
    const auto log = json_lines(test::slurp(folder / "student/train_log.jsonl"));
    EXPECT_EQ(log.front().at("event"), "teacher");
    EXPECT_EQ(log.front().at("accuracy"), results.at("teacher_accuracy"));
    EXPECT_EQ(log.back().at("event"), "final");
    EXPECT_EQ(log.back().at("eval_accuracy"), results.at("eval_accuracy"));
    EXPECT_TRUE(log[1].at("load_balance").is_number()) << "that of auto";
}

TEST_F(Pipeline, TheSameSeedGivesTheSameModelAndAnotherAnother) {
    put_class_data();
    fine_tune();
    const auto weights = [&](const std::string& output, const std::string& seed) {
        succeed(distill(output) + experts + Arguments{"--seed", seed, "--num_threads", "1"});
        return test::slurp(folder / output / "model.safetensors");
    };
    const auto first = weights("a", "5");
    EXPECT_EQ(weights("b", "5"), first);
    EXPECT_NE(weights("c", "6"), first);
}

TEST_F(Pipeline, RegressionGoesAllTheWayToo) {
    const auto score = [](int i) { return fmt::format("{}.5", i % 3); };
    put_data("train.tsv", 60, score);
    put_data("dev.tsv", 24, score);
    fine_tune("reg");
    const auto teacher = read_json("teacher/all_results.json");
    for (const char* name : {"eval_mse", "eval_pearson", "eval_spearmanr"})
        EXPECT_TRUE(teacher.at(name).is_number()) << name;
    EXPECT_GT(teacher.at("eval_pearson").get<double>(), 0.8);
    const auto student = succeed(distill("student") + experts).json();
    EXPECT_TRUE(student.contains("teacher_pearson"));
    const auto evaluated = succeed({"evaluate", "--model_name_or_path", path("student"), "--validation_file",
                                    path("dev.tsv"), "--max_seq_length", "16"})
                               .json();
    EXPECT_NEAR(evaluated.at("eval_pearson").get<double>(), student.at("eval_pearson").get<double>(), 1e-6);
    const auto rows = json_lines(
        succeed({"predict", "--model_name_or_path", path("student"), "--max_seq_length", "16"}, "w1 w5\n").out);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_TRUE(rows[0].at("score").is_number());
}

TEST_F(Pipeline, AnUndefinedCorrelationIsNullInValidJson) {
    put_model("reg");
    put("dev.tsv", "sentence1\tlabel\nw1\t1.5\nw2\t1.5\n");
    const auto found = succeed({"evaluate", "--model_name_or_path", path("model"), "--validation_file", path("dev.tsv"),
                                "--max_seq_length", "16"})
                           .json();
    EXPECT_TRUE(found.at("eval_pearson").is_null());
    EXPECT_TRUE(found.at("eval_mse").is_number());
    EXPECT_TRUE(read_json("model/eval_results.json").at("eval_spearmanr").is_null());
}

TEST_F(Pipeline, ARecipeMeansTheSameAsItsOptions) {
    put_class_data();
    put_model();
    put("recipe.json", R"({"learning-rate": 1e-3, "max_steps": 3, "max_seq_length": 16, "seed": 7, "num_threads": 1})");
    const Arguments base = Arguments{"finetune", "--model_name_or_path", path("model")} + data();
    succeed(base + Arguments{"--config", path("recipe.json"), "--output_dir", path("a")});
    succeed(base + Arguments{"--learning_rate", "1e-3", "--max_steps", "3", "--max_seq_length", "16", "--seed", "7",
                             "--num_threads", "1", "--output_dir", path("b")});
    EXPECT_EQ(test::slurp(folder / "a/model.safetensors"), test::slurp(folder / "b/model.safetensors"));
    // An empty text is one, and not the option that comes next.
    put("empty.json", R"({"logging_dir": "", "max_steps": 1, "max_seq_length": 16})");
    for (const auto& recipe :
         {Arguments{"--config", path("empty.json"), "--output_dir", path("c")},
          Arguments{"--logging_dir=", "--max_steps=1", "--max_seq_length=16", "--output_dir=" + path("d")}})
        EXPECT_EQ(succeed(base + recipe).json().at("train_steps"), 1);
}

TEST_F(Pipeline, CsvTsvAndJsonLinesOfTheSameRowsTrainTheSameModel) {
    put_model();
    std::string csv = "sentence1,sentence2,label\n", tsv = "sentence1\tsentence2\tlabel\n", jsonl;
    for (int i = 0; i < 12; ++i) {
        csv += fmt::format("\"w{}, w5\",w9,{}\n", i, i % 3);
        tsv += fmt::format("w{}, w5\tw9\t{}\n", i, i % 3);
        jsonl += fmt::format("{{\"sentence1\": \"w{}, w5\", \"sentence2\": \"w9\", \"label\": {}}}\n", i, i % 3);
    }
    const auto weights = [&](const std::string& name, const std::string& content) {
        put(name, content);
        succeed(Arguments{"finetune", "--model_name_or_path", path("model"), "--train_file", path(name), "--output_dir",
                          path("of-" + name), "--max_steps", "2", "--num_threads", "1", "--max_seq_length", "16"});
        return test::slurp(folder / ("of-" + name) / "model.safetensors");
    };
    const auto from_csv = weights("train.csv", csv);
    EXPECT_EQ(weights("train.tsv", tsv), from_csv);
    EXPECT_EQ(weights("train.jsonl", jsonl), from_csv);
}

TEST_F(Pipeline, InspectPrintsForPeopleAndForPrograms) {
    put_model();
    const auto text = succeed({"inspect", path("model")}).out;
    EXPECT_PRED2(test::contains, text, "parameters");
    EXPECT_PRED2(test::contains, text, "flops_of_a_token");
    EXPECT_EQ(succeed({"inspect", path("model"), "--json"}).json().at("kind"), "dense");
    for (const char* file : {"importance.pkl", "balance.pkl", "inputs.safetensors", "dense/pytorch_model.bin"}) {
        EXPECT_TRUE(succeed({"inspect", (test::fixtures / "cls3" / file).string(), "--json"}).json().contains("kind"));
        EXPECT_FALSE(succeed({"inspect", (test::fixtures / "cls3" / file).string()}).out.empty());
    }
}

TEST_F(Pipeline, TokenizePrintsIdsTokensAndOffsets) {
    std::filesystem::create_directories(folder / "tokenizer");
    put("tokenizer/vocab.txt", vocabulary());
    const auto rows = json_lines(succeed({"tokenize", "--model_name_or_path", path("tokenizer")}, "w1 w3\n\n").out);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].at("input_ids"), (nlohmann::json{2, 6, 8, 3}));
    EXPECT_EQ(rows[0].at("tokens"), (nlohmann::json{"[CLS]", "w1", "w3", "[SEP]"}));
    EXPECT_EQ(rows[0].at("offsets").at(2), (nlohmann::json{3, 5}));
    EXPECT_EQ(rows[1].at("tokens"), (nlohmann::json{"[CLS]", "[SEP]"}));
}

TEST_F(Pipeline, HelpAndVersionGoToStandardOutput) {
    EXPECT_PRED2(test::contains, succeed({"--help"}).out, "finetune");
    EXPECT_PRED2(test::contains, succeed({"finetune", "--help"}).out, "--learning_rate");
    EXPECT_FALSE(succeed({"--version"}).out.empty());
}

}  // namespace
}  // namespace moebert
