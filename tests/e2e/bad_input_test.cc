// What can't be used is refused: an exit code, one line that names it, and nothing written.
#include "bad_input.h"

#include <cmath>
#include <limits>

#include "io/pickle.h"
#include "io/safetensors.h"

namespace moebert {
namespace {

using test::Arguments;
using test::BadInput;
using test::kFailed;
using test::kUsage;
using test::operator+;

// Files of every kind: missing, truncated, hostile.

TEST_F(BadInput, AMissingModelIsNamed) {
    std::filesystem::remove_all(folder / "model");
    refuse_model(kFailed, {path("model")});
}

TEST_F(BadInput, MissingWeightsAreNamed) {
    std::filesystem::remove(folder / "model/model.safetensors");
    std::filesystem::remove(folder / "model/pytorch_model.bin");
    refuse_model(kFailed, {path("model"), "model.safetensors"});
}

TEST_F(BadInput, TruncatedSafetensorsAreNamed) {
    for (const std::size_t size : {0UL, 5UL, 300UL, 30000UL}) {
        std::filesystem::copy_file(test::fixtures / "cls3/dense/model.safetensors", folder / "model/model.safetensors",
                                   std::filesystem::copy_options::overwrite_existing);
        cut("model/model.safetensors", size);
        refuse(kFailed, evaluate(), {path("model/model.safetensors")});
    }
    refuse_model(kFailed, {path("model/model.safetensors")});
}

TEST_F(BadInput, SafetensorsWithAHugeHeaderAreNamed) {
    auto content = test::slurp(folder / "model/model.safetensors");
    content.replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8);
    put("model/model.safetensors", content);
    refuse(kFailed, evaluate(), {path("model/model.safetensors"), "header"});
}

TEST_F(BadInput, TruncatedTorchFilesAreNamed) {
    std::filesystem::remove(folder / "model/model.safetensors");
    succeed(evaluate({"--output_dir", path("first")}));
    cut("model/pytorch_model.bin", 20000);
    refuse_model(kFailed, {path("model/pytorch_model.bin")});
}

TEST_F(BadInput, APickleThatWouldRunCodeIsRefusedByName) {
    put("evil.pkl", "cos\nsystem\n(S'touch " + path("ran") + "'\ntR.");
    refuse(kFailed, {"inspect", path("evil.pkl")}, {path("evil.pkl"), "os.system"});
    refuse(kFailed, split({"--split_method", "importance", "--importance_file", path("evil.pkl")}),
           {path("evil.pkl"), "os.system"});
    refuse(kFailed, split({"--route_method", "hash-balance", "--hash_list", path("evil.pkl")}),
           {path("evil.pkl"), "os.system"});
    refuse(kFailed, {"merge-importance", path("evil.pkl"), "--output_file", path("merged.pkl")}, {path("evil.pkl")});
    EXPECT_FALSE(exists("ran"));
}

TEST_F(BadInput, AConfigThatIsNoJsonOrOfAnotherModelIsNamed) {
    put("model/config.json", "{\"vocab_size\": ");
    refuse_model(kFailed, {path("model/config.json")});
    std::filesystem::copy_file(test::fixtures / "cls3/dense/config.json", folder / "model/config.json",
                               std::filesystem::copy_options::overwrite_existing);
    change_config("model_type", "roberta");
    refuse_model(kFailed, {path("model/config.json"), "model_type", "roberta", "bert"});
}

TEST_F(BadInput, AMissingOrBrokenVocabularyIsNamed) {
    put("model/vocab.txt", "only\nwords\n");
    refuse(kFailed, evaluate(), {path("model/vocab.txt")});
    std::filesystem::remove(folder / "model/vocab.txt");
    for (const auto& command :
         {finetune(), distill(), importance(), evaluate(), predict(), hash_balance(), with_model("tokenize")})
        refuse(kFailed, command, {path("model"), "vocab.txt"}, "w1\n");
    put("model/tokenizer.json", "{\"model\": ");
    refuse(kFailed, evaluate(), {path("model/tokenizer.json")});
}

TEST_F(BadInput, AVocabularyLargerThanTheModelsIsNamed) {
    put("model/vocab.txt", vocabulary(98));
    const auto said = run(predict(), "w1\n");  // none of the tokens that the model doesn't know
    EXPECT_EQ(said.code, 0);
    ASSERT_EQ(warnings(said).size(), 1U);
    EXPECT_PRED2(test::contains, warnings(said)[0], "the tokenizer has 98 tokens, the model embeddings of 97");
    const auto unknown = put("unknown.tsv", "sentence1\tlabel\nw1\t0\nw2\t1\nw92 w1\t2\n").string();
    const Arguments files{"--train_file", unknown, "--validation_file", unknown};
    for (const auto& command :
         {finetune(files), distill(files), importance(files), evaluate(files), predict({"--test_file", unknown})})
        refuse(kFailed, command, {unknown, "text 3", "w92", "97"});
}

TEST_F(BadInput, MissingDataFilesAreNamed) {
    const auto none = path("none.tsv");
    for (const auto& command :
         {finetune({"--train_file", none}), distill({"--train_file", none}), importance({"--train_file", none}),
          hash_balance({"--train_file", none}), evaluate({"--validation_file", none}), predict({"--test_file", none}),
          finetune({"--validation_file", none}), distill({"--validation_file", none}),
          predict({"--test_file", path("none.txt")})})
        refuse(kFailed, command, {path("none.t")});
    refuse(kFailed, finetune({"--train_file", folder.string() + "/model"}), {path("model")});
}

TEST_F(BadInput, DataOfAnUnknownKindIsNamed) {
    put("train.xlsx", "x");
    refuse(kFailed, finetune({"--train_file", path("train.xlsx")}), {path("train.xlsx"), "read_excel", ".jsonl"});
    put("train.doc", "x");
    refuse(kFailed, finetune({"--train_file", path("train.doc")}), {path("train.doc"), ".csv", ".tsv", ".jsonl"});
}

TEST_F(BadInput, DataThatIsNoUtf8IsNamedByLine) {
    put("train.tsv", "sentence1\tlabel\nw1\t0\nw\xff\t1\n");
    refuse(kFailed, finetune(), {path("train.tsv"), "line 3", "UTF-8"});
    refuse(kFailed, predict(), {"standard input", "line 2", "UTF-8"}, "w1\nw\xff\n");
}

TEST_F(BadInput, BrokenRecipesAreNamed) {
    put("recipe.json", "{\"learning_rate\": ");
    refuse(kFailed, finetune({"--config", path("recipe.json")}), {path("recipe.json")});
    put("recipe.json", "{\"learning_rat\": 1}");
    refuse(kUsage, finetune({"--config", path("recipe.json")}), {path("recipe.json"), "learning_rat", "learning_rate"});
    refuse(kFailed, finetune({"--config", path("none.toml")}), {path("none.toml")});
    put("recipe.json", "{\"max_steps\": 1, \"max_steps\": 2}");
    refuse(kFailed, finetune({"--config", path("recipe.json")}), {path("recipe.json"), "max_steps", "twice"});
    put("recipe.toml", "seed = 1\nlogging_dir = \"a#b\n");
    refuse(kFailed, finetune({"--config", path("recipe.toml")}), {path("recipe.toml"), "line 2"});
    refuse(kUsage, finetune({"--config", path("a.yaml")}), {"a.yaml", "JSON or TOML"});
    put("seed.toml", "seed = 1 # one\n");
    refuse(kUsage, finetune({"--config", path("seed.toml"), "--config", path("seed.toml")}), {"--config: given twice"});
}

// A config that contradicts the tensors.

TEST_F(BadInput, AConfigThatContradictsTheTensorsIsNamedWithBothShapes) {
    change_config("intermediate_size", 48);
    refuse_model(kFailed, {path("model/model.safetensors"), "intermediate.dense", "[48", "[64"});
}

TEST_F(BadInput, AConfigWithOtherLayersIsNamed) {
    change_config("num_hidden_layers", 4);
    refuse_model(kFailed, {path("model/model.safetensors"), "bert.encoder.layer.3."});
    change_config("num_hidden_layers", 2);
    refuse_model(kFailed, {path("model/model.safetensors"), "layer.2."});
}

TEST_F(BadInput, AConfigWithImpossibleSizesIsNamedByKeyAndValue) {
    for (const auto& [key, value] : std::vector<std::pair<std::string, nlohmann::json>>{
             {"hidden_size", -32}, {"num_attention_heads", 5}, {"vocab_size", "many"}, {"hidden_act", "sine"}}) {
        std::filesystem::copy_file(test::fixtures / "cls3/dense/config.json", folder / "model/config.json",
                                   std::filesystem::copy_options::overwrite_existing);
        change_config(key, value);
        refuse(kFailed, evaluate(), {path("model/config.json"), key});
    }
}

// Labels and rows.

TEST_F(BadInput, ALabelThatIsNotInTheListIsNamedByLine) {
    put("dev.tsv", "sentence1\tlabel\nw1\t0\nw2\tmaybe\n");
    refuse(kFailed, evaluate(), {path("dev.tsv"), "line 3", "maybe", "0, 1, 2"});
    refuse(kFailed, finetune({"--validation_file", path("dev.tsv")}), {path("dev.tsv"), "line 3", "maybe"});
    refuse(kFailed, importance({"--train_file", path("dev.tsv")}), {path("dev.tsv"), "line 3", "maybe"});
    refuse(kFailed, distill({"--train_file", path("dev.tsv")}), {path("dev.tsv"), "line 3", "maybe"});
}

TEST_F(BadInput, ALabelThatIsNoNumberIsRefusedByARegression) {
    put_model("reg", "scores");
    put("dev.tsv", "sentence1\tlabel\nw1\t0.5\nw2\tlow\n");
    refuse(kFailed, evaluate({"--model_name_or_path", path("scores")}), {path("dev.tsv"), "line 3", "low"});
}

TEST_F(BadInput, MissingLabelsAreNamed) {
    put("bare.tsv", "sentence1\nw1\nw2\n");
    for (const auto& command :
         {finetune({"--train_file", path("bare.tsv")}), distill({"--train_file", path("bare.tsv")}),
          importance({"--train_file", path("bare.tsv")}), evaluate({"--validation_file", path("bare.tsv")}),
          finetune({"--validation_file", path("bare.tsv")})})
        refuse(kFailed, command, {path("bare.tsv"), "labels"});
    put("bare.tsv", "sentence1\tlabel\nw1\t1\nw2\t\n");
    refuse(kFailed, evaluate({"--validation_file", path("bare.tsv")}), {path("bare.tsv"), "line 3", "label is empty"});
}

TEST_F(BadInput, AnEmptyFileIsNamed) {
    for (const char* content : {"", "\n", "sentence1\tlabel\n"}) {
        put("train.tsv", content);
        refuse(kFailed, finetune(), {path("train.tsv")});
        refuse(kFailed, hash_balance(), {path("train.tsv")});
    }
    refuse(kFailed, predict(), {"standard input", "empty"}, "");
    put("empty.txt", "");
    refuse(kFailed, predict({"--test_file", path("empty.txt")}), {path("empty.txt"), "empty"});
}

TEST_F(BadInput, ARowWithTooFewColumnsIsNamedByLine) {
    put("train.tsv", "sentence1\tlabel\nw1\t0\nw2\n");
    refuse(kFailed, finetune(), {path("train.tsv"), "line 3", "expected 2"});
    put("train.csv", "sentence1,label\nw1,0\nw2,1\nw3\n");
    refuse(kFailed, finetune({"--train_file", path("train.csv")}), {path("train.csv"), "line 4"});
    put("train.jsonl", "{\"sentence1\": \"w1\", \"label\": 0}\n{\"sentence1\": \"w1\"}\n");
    refuse(kFailed, finetune({"--train_file", path("train.jsonl")}), {path("train.jsonl"), "line 2", "label"});
    std::filesystem::create_directories(folder / "RTE");
    put("RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n0\tw1\tw2\tentailment\n1\tw1\tw2\n");
    refuse(kFailed,
           with_model("finetune") + Arguments{"--task_name", "rte", "--data_dir", path("RTE"), "--output_dir",
                                              path("out"), "--max_seq_length", "16"},
           {path("RTE/train.tsv"), "line 3"});
}

TEST_F(BadInput, PairsAreRefusedByAModelThatTakesSingleSentences) {
    ModelConfig config = load_checkpoint(folder / "model").config;
    config.type_vocab_size = 1;
    put_random_model(config, "single");
    const auto model = path("single");
    const auto pairs = put("pairs.tsv", "sentence1\tsentence2\tlabel\nw1\tw2\t0\nw3\tw4\t1\nw3\tw4\t2\n").string();
    const Arguments files{"--model_name_or_path", model, "--train_file", pairs, "--validation_file", pairs};
    for (const auto& command : {finetune(files), distill(files), importance(files), evaluate(files),
                                predict({"--model_name_or_path", model, "--test_file", pairs})})
        refuse(kFailed, command, {pairs, "pairs of texts", "type_vocab_size"});
    succeed(predict({"--model_name_or_path", model}), "w1\n");
}

// Options.

TEST_F(BadInput, AnOptionOfAnotherSubcommandNamesThatOne) {
    refuse(kUsage, finetune({"--moebert_distill", "5.0"}), {"--moebert_distill", "`moebert distill` has it"});
    refuse(kUsage, evaluate({"--learning_rate", "1"}), {"--learning_rate", "`moebert finetune` has it"});
}

TEST_F(BadInput, ASequenceLengthOverThePositionTableNamesBoth) {
    for (const auto& command : {finetune({"--max_seq_length", "41"}), distill({"--max_seq_length", "41"}),
                                importance({"--max_seq_length", "41"}), evaluate({"--max_seq_length", "41"}),
                                predict({"--max_seq_length", "41"})})
        refuse(kUsage, command, {"max_seq_length", "41", "40"}, "w1\n");
    for (const auto& command : {finetune({"--max_seq_length", "2"}), evaluate({"--max_seq_length", "-5"}),
                                hash_balance({"--max_seq_length", "0"})})
        refuse(kUsage, command, {"max_seq_length"});
}

TEST_F(BadInput, AnUnknownTaskNamesTheNearest) {
    for (const auto& command :
         {finetune({"--task_name", "mnly"}), distill({"--task_name", "mnly"}), importance({"--task_name", "mnly"}),
          evaluate({"--task_name", "mnly"}), predict({"--task_name", "mnly"}), hash_balance({"--task_name", "mnly"})})
        refuse(kUsage, command, {"mnly", "the nearest is mnli"});
}

TEST_F(BadInput, ATaskWithoutDataIsNamed) {
    const Arguments task = with_model("finetune") + Arguments{"--output_dir", path("out"), "--task_name", "rte"};
    refuse(kUsage, task + Arguments{"--max_seq_length", "16"}, {"rte", "--data_dir"});
    refuse(kFailed, task + Arguments{"--max_seq_length", "16", "--data_dir", path("model")},
           {path("model"), "train.tsv"});
    refuse(kUsage, with_model("finetune") + Arguments{"--output_dir", path("out"), "--max_seq_length", "16"},
           {"--train_file", "--task_name"});
    refuse(kUsage, with_model("evaluate") + Arguments{"--max_seq_length", "16"}, {"--validation_file"});
}

TEST_F(BadInput, ExpertsThatCannotBeAreNamed) {
    for (const auto& make : {&BadInput::split, &BadInput::distill}) {
        refuse(kUsage, (this->*make)({"--num_experts", "0"}), {"num_experts", "0"});
        refuse(kUsage, (this->*make)({"--expert_size", "0"}), {"expert_size", "0"});
        refuse(kUsage, (this->*make)({"--expert_size", "-16"}), {"expert_size", "-16"});
        refuse(kUsage, (this->*make)({"--shared_size", "17"}), {"shared_size", "17", "16"});
        refuse(kUsage, (this->*make)({"--shared_size", "-1"}), {"shared_size", "-1"});
        refuse(kUsage, (this->*make)({"--expert_size", "23"}), {"expert_size", "23", "at most 22"});  // 8 + 56 / 4
        refuse(kUsage, (this->*make)({"--expert_dropout", "1"}), {"expert_dropout", "1"});
        refuse(kUsage, (this->*make)({"--route_method", "hash"}), {"hash", "hash-random", "gate-sentence"});
        refuse(kUsage, (this->*make)({"--split_method", "best"}), {"best", "importance, random or inverse"});
    }
    refuse(kUsage, split({"--route_method", "hash-balance"}), {"--hash_list"});
    refuse(kUsage, split({"--split_method", "importance"}), {"--importance_file"});
    for (const std::string count : {"0", "513"}) {
        refuse(kUsage, hash_balance({"--num_experts", count}), {"num_experts: " + count, "1 to 512"});
        refuse(kUsage, split({"--num_experts", count}), {"num_experts: " + count, "1 to 512"});
    }
}

TEST_F(BadInput, OptionsOutOfRangeAreNamedWithTheirValue) {
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, std::string>>{{"per_device_train_batch_size", "0"},
                                                          {"per_device_eval_batch_size", "-1"},
                                                          {"gradient_accumulation_steps", "0"},
                                                          {"learning_rate", "-1"},
                                                          {"learning_rate", "nan"},
                                                          {"num_train_epochs", "0"},
                                                          {"num_train_epochs", "1e+30"},
                                                          {"per_device_train_batch_size", "9223372036854775807"},
                                                          {"warmup_ratio", "1.5"},
                                                          {"weight_decay", "-0.1"},
                                                          {"max_grad_norm", "-1"},
                                                          {"lr_scheduler_type", "inverse_sqrt"},
                                                          {"evaluation_strategy", "sometimes"},
                                                          {"save_strategy", "never"},
                                                          {"report_to", "wandb"},
                                                          {"num_threads", "-1"},
                                                          {"max_train_samples", "0"},
                                                          {"save_total_limit", "0"},
                                                          {"logging_steps", "0"},
                                                          {"adam_beta1", "1"},
                                                          {"dropout", "1"},
                                                          {"adam_beta2", "-0.5"},
                                                          {"adam_epsilon", "-1"},
                                                          {"warmup_steps", "-1"}}) {
        SCOPED_TRACE(name);
        refuse(kUsage, finetune({"--" + name, value}), {value});
    }
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, std::string>>{{"distill_weight", "-1"}, {"load_balance", "nan"}})
        refuse(kUsage, distill({"--" + name, value}), {name, value});
    refuse(kUsage, importance({"--per_device_train_batch_size", "0"}), {"per_device_train_batch_size", "0"});
    refuse(kUsage, importance({"--rank", "2", "--world_size", "2"}), {"rank", "2"});
    refuse(kUsage, importance({"--world_size", "0"}), {"world_size"});
    refuse(kUsage, evaluate({"--per_device_eval_batch_size", "-1"}), {"batch", "-1"});
    refuse(kUsage, evaluate({"--split", "training"}), {"training", "train, validation or test"});
    refuse(kUsage, predict({"--output_format", "xml"}), {"xml", "jsonl"});
    refuse(kUsage, finetune({"--load_best_model_at_end"}), {"evaluation_strategy"});
    refuse(kUsage,
           finetune({"--validation_file", path("dev.tsv"), "--evaluation_strategy", "epoch", "--metric_for_best_model",
                     "f2"}),
           {"metric_for_best_model", "f2"});
    refuse(kUsage, finetune({"--load_best_model_at_end", "--evaluation_strategy", "epoch"}), {"validation"});
}

TEST_F(BadInput, UnknownOptionsAndCommandsAreUsageErrors) {
    refuse(kUsage, finetune({"--learning_rte", "1"}), {"--learning_rte", "--learning_rate"});
    refuse(kUsage, finetune({"--max_steps", "many"}), {"max_steps", "many"});
    refuse(kUsage, {"finetun"}, {"finetun"});
    refuse(kUsage, {}, {"subcommand"});
    refuse(kUsage, {"finetune"}, {"--model_name_or_path"});
    refuse(kUsage, with_model("finetune") + Arguments{"--train_file", path("train.tsv")}, {"--output_dir"});
    refuse(kUsage, with_model("importance") + Arguments{"--train_file", path("train.tsv"), "--max_seq_length", "16"},
           {"--output_dir"});
}

// Scores, lists and students of something else.

TEST_F(BadInput, ImportanceOfAnotherShapeNamesBothShapes) {
    const auto authors = (test::fixtures / "authors_importance/importance_rte.pkl").string();
    for (const auto& make : {&BadInput::split, &BadInput::distill})
        refuse(kFailed, (this->*make)({"--split_method", "importance", "--importance_file", authors}),
               {authors, "12 layers of 3072", "3 layers of 64"});
}

TEST_F(BadInput, ImportanceFilesThatAreNoneAreNamed) {
    for (const auto& make : {&BadInput::split, &BadInput::distill}) {
        refuse(kFailed, (this->*make)({"--split_method", "importance", "--importance_file", path("none.pkl")}),
               {path("none.pkl")});
        refuse(kFailed,
               (this->*make)({"--split_method", "importance", "--importance_file", path("model/model.safetensors")}),
               {path("model/model.safetensors"), "importance"});
    }
}

TEST_F(BadInput, AHashListOfAnotherVocabularyNamesBothSizes) {
    pickle::write(folder / "list.pkl", pickle::List{0, 1, 2, 3});
    for (const auto& make : {&BadInput::split, &BadInput::distill})
        refuse(kFailed, (this->*make)({"--route_method", "hash-balance", "--hash_list", path("list.pkl")}),
               {path("list.pkl"), "4 entries", "97"});
}

TEST_F(BadInput, AHashListForMoreExpertsNamesTheToken) {
    const auto list = (test::fixtures / "cls3/balance.pkl").string();  // four experts, the first token's is 2
    refuse(kFailed, split({"--route_method", "hash-balance", "--hash_list", list, "--num_experts", "2"}),
           {list, "token 0", "expert 2", "0 to 1"});
}

TEST_F(BadInput, PartsThatDoNotBelongTogetherAreNotMerged) {
    succeed(importance({"--world_size", "2", "--rank", "0"}));
    const auto part = path("out/importance.0-of-2.safetensors");
    refuse(kFailed, {"merge-importance", part, "--output_file", path("merged.safetensors")}, {"1 of the 2 parts"});
    refuse(kFailed, {"merge-importance", part, part, "--output_file", path("merged.safetensors")}, {part, "twice"});
    refuse(kUsage, {"merge-importance", part, "--output_file", part}, {part, "--overwrite_output_dir"});
    for (const auto& make : {&BadInput::split, &BadInput::distill})
        refuse(kFailed,
               (this->*make)({"--split_method", "importance", "--importance_file", part, "--output_dir", path("moe")}),
               {part, "part 0 of 2", "merge-importance"});
}

TEST_F(BadInput, AMixtureIsRefusedWhereADenseModelIsNeeded) {
    succeed(split({"--output_dir", path("moe")}));
    const Arguments mixture{"--model_name_or_path", path("moe")};
    for (const auto& command : {finetune(mixture), distill(mixture), importance(mixture), split(mixture)})
        EXPECT_PRED2(test::contains, refuse(command.front() == "split" ? kUsage : kFailed, command, {}).err,
                     "mixture of experts");
}

TEST_F(BadInput, AStudentOfAnotherTeacherIsRefused) {
    put_model("reg", "other");
    succeed(split({"--model_name_or_path", path("other"), "--output_dir", path("student")}));
    refuse(kFailed, distill({"--student_name_or_path", path("student")}), {path("student"), path("model")});
    refuse(kFailed, distill({"--student_name_or_path", path("model")}), {path("model"), "no mixture of experts"});
}

TEST_F(BadInput, AnOutputFolderThatIsNoneOrTheModelsIsRefused) {
    for (const char* command : {"split", "convert"}) {
        const Arguments given{command, "--model_name_or_path", path("model"), "--output_dir"};
        refuse(kUsage, given + Arguments{""}, {"--output_dir is needed"});
        refuse(kUsage, given + Arguments{path("model"), "--overwrite_output_dir"}, {path("model"), "another one"});
    }
}

TEST_F(BadInput, AValueOfAnotherKindNamesTheOptionAndBoth) {
    refuse(kUsage, finetune({"--learning_rate", "abc"}), {"learning_rate: 'abc' given; expected a number"});
    refuse(kUsage, finetune({"--max_steps", "0.5"}), {"max_steps: '0.5' given; expected a whole number"});
    refuse(kUsage, finetune({"--max_steps="}), {"max_steps"});
    refuse(kUsage, finetune({"--greater_is_better", "maybe"}), {"greater_is_better: 'maybe' given; expected true or"});
    refuse(kUsage, finetune({"--num_threads", "4294967297"}), {"num_threads: 4294967297 given"});
    refuse(kUsage, finetune({"--adam_epsilon", "0"}), {"adam_epsilon: 0 given; expected more than 0"});
}

TEST_F(BadInput, AModelWithoutATrainedHeadMustBeFineTunedFirst) {
    auto tensors = read_safetensors(folder / "model/model.safetensors");
    tensors.erase("classifier.weight");
    tensors.erase("classifier.bias");
    std::map<std::string, Tensor> owned;
    for (const auto& [name, tensor] : tensors) owned[name] = tensor;
    write_safetensors(folder / "model/headless.safetensors", owned);
    std::filesystem::rename(folder / "model/headless.safetensors", folder / "model/model.safetensors");
    for (const auto& command : {split(), distill(), importance(), evaluate(), predict()})
        refuse(kFailed, command, {path("model"), "classifier", "moebert finetune"}, "w1\n");
    succeed(finetune());
}

}  // namespace
}  // namespace moebert
