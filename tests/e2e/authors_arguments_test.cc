// The argument list of the authors' example script, with data in MNLI's official layout.
#include "support.h"

namespace moebert {
namespace {

using test::Arguments;
using test::operator+;

class AuthorsArguments : public test::Program {
protected:
    AuthorsArguments() {
        ModelConfig config;
        config.vocab_size = 97;
        config.hidden_size = 16;
        config.num_hidden_layers = 2;
        config.num_attention_heads = 2;
        config.intermediate_size = 3072;
        config.max_position_embeddings = 128;
        config.label_names = {"LABEL_0", "LABEL_1", "LABEL_2"};
        put_random_model(config, "teacher");
        std::filesystem::create_directories(folder / "glue/MNLI");
        put("glue/MNLI/train.tsv", rows(16, "label1"));
        put("glue/MNLI/dev_matched.tsv", rows(6, "label1\tlabel2\tlabel3\tlabel4\tlabel5"));
        put("glue/MNLI/dev_mismatched.tsv", rows(9, "label1\tlabel2\tlabel3\tlabel4\tlabel5"));
    }

    static std::string rows(int count, const std::string& single_labels) {
        const char* labels[] = {"entailment", "neutral", "contradiction"};
        std::string text =
            "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
            "sentence2_parse\tsentence1\tsentence2\t" +
            single_labels + "\tgold_label\n";
        for (int i = 0; i < count; ++i) {
            text += fmt::format("{0}\t{0}\t{0}e\tfiction\tx\tx\tx\tx\tw{0} \"w5\tw{1} w2", i, i % 5);
            for (int j = 0; j < 1 + std::count(single_labels.begin(), single_labels.end(), '\t'); ++j)
                text += fmt::format("\t{}", labels[i % 3]);
            text += fmt::format("\t{}\n", labels[i % 3]);
        }
        return text;
    }

    Arguments with(const std::string& stage, const std::string& epochs) const {
        Arguments list{"--model_name_or_path", path("teacher"), "--task_name", "mnli", "--data_dir", path("glue")};
        list = list + (stage == "importance" ? Arguments{"--preprocess_importance"} : Arguments{"--do_train"});
        return list + Arguments{"--do_eval",
                                "--max_seq_length",
                                "128",
                                "--per_device_train_batch_size",
                                "8",
                                "--learning_rate",
                                "5e-5",
                                "--num_train_epochs",
                                epochs,
                                "--output_dir",
                                path(stage),
                                "--overwrite_output_dir",
                                "--logging_steps",
                                "20",
                                "--logging_dir",
                                path("log"),
                                "--report_to",
                                "tensorboard",
                                "--evaluation_strategy",
                                "steps",
                                "--eval_steps",
                                "500",
                                "--save_strategy",
                                "no",
                                "--warmup_ratio",
                                "0.0",
                                "--seed",
                                "0",
                                "--weight_decay",
                                "0.0",
                                "--fp16",
                                "--moebert",
                                "moe",
                                "--moebert_distill",
                                "5.0",
                                "--moebert_expert_num",
                                "4",
                                "--moebert_expert_dim",
                                "768",
                                "--moebert_expert_dropout",
                                "0.1",
                                "--moebert_load_balance",
                                "0.0",
                                "--moebert_load_importance",
                                path("importance/importance.safetensors"),
                                "--moebert_route_method",
                                "hash-random",
                                "--moebert_share_importance",
                                "512"};
    }
};

TEST_F(AuthorsArguments, ScoreAndDistilAsTheyStand) {
    const auto scored = succeed(Arguments{"importance"} + with("importance", "5"));
    EXPECT_EQ(scored.json().at("examples"), 16);
    const auto named = warnings(scored);
    for (const char* option : {"--learning_rate", "--num_train_epochs", "--seed", "--moebert_distill", "--num_experts",
                               "--importance_file"}) {
        const auto name = std::string(option) == "--moebert_distill" ? "--distill_weight" : option;
        EXPECT_TRUE(std::any_of(named.begin(), named.end(), [&](const auto& line) {
            return line == fmt::format("warning: {} means nothing to `moebert importance`: ignored", name);
        })) << option;
    }

    const auto distilled = succeed(Arguments{"distill"} + with("distill", "5"));
    for (const auto& line : warnings(distilled)) {
        const bool of_half = test::contains(line, "fp16") || test::contains(line, "bf16");
        const bool of_labels = test::contains(line, "matched by number with the model's LABEL_0");
        EXPECT_TRUE(of_half || of_labels) << line;
    }
    const auto results = distilled.json();
    EXPECT_EQ(results.at("train_steps"), 5 * 2);
    EXPECT_EQ(results.at("eval_samples"), 6 + 9);
    for (const char* name : {"eval_accuracy", "eval_accuracy_mm", "teacher_accuracy", "teacher_accuracy_mm"})
        EXPECT_TRUE(results.at(name).is_number()) << name;
    EXPECT_TRUE(exists("log"));
    const auto shown = succeed({"inspect", "--json", path("distill")}).json();
    EXPECT_EQ(shown.at("moe").at("num_experts"), 4);
    EXPECT_EQ(shown.at("moe").at("expert_size"), 768);
    EXPECT_EQ(shown.at("moe").at("shared_size"), 512);
    EXPECT_EQ(shown.at("moe").at("route_method"), "hash-random");
}

TEST_F(AuthorsArguments, UnderTheWrongSubcommandNameTheRightOne) {
    refuse(2, {"finetune", "--model_name_or_path", path("teacher"), "--output_dir", path("out"), "--moebert", "moe"},
           {"`moebert distill`"});
    refuse(2, Arguments{"importance"} + with("distill", "1"), {"`moebert distill`"});
    refuse(2, Arguments{"distill"} + with("importance", "1"), {"`moebert importance`"});
}

TEST_F(AuthorsArguments, ScriptOptionsWithoutMeaningAreNamed) {
    const auto outcome = succeed({"finetune", "--model_name_or_path", path("teacher"), "--task_name", "MNLI",
                                  "--data_dir", path("glue/MNLI"), "--output_dir", path("out"), "--max_steps", "1",
                                  "--cache_dir", "/nowhere", "--disable_tqdm", "True", "--run_name", "x"});
    EXPECT_EQ(warnings(outcome),
              (std::vector<std::string>{"warning: --disable_tqdm means nothing to `moebert finetune`: ignored",
                                        "warning: --cache_dir means nothing to `moebert finetune`: ignored",
                                        "warning: --run_name means nothing to `moebert finetune`: ignored"}));
}

TEST_F(AuthorsArguments, EvaluateReportsBothPartsOfMnli) {
    const auto results = succeed({"evaluate", "--model_name_or_path", path("teacher"), "--task_name", "mnli",
                                  "--data_dir", path("glue"), "--output_dir", path("out")})
                             .json();
    EXPECT_EQ(results.at("eval_samples"), 15);
    for (const char* name : {"eval_accuracy", "eval_loss", "eval_accuracy_mm", "eval_loss_mm"})
        EXPECT_TRUE(results.at(name).is_number()) << name;
    EXPECT_EQ(read_json("out/eval_results.json"), results);
}

}  // namespace
}  // namespace moebert
