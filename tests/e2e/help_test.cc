// What the program says to who has to find one's way.
#include "support.h"

namespace moebert {
namespace {

using test::Arguments;
using test::contains;
using test::operator+;

class Help : public test::Program {};

TEST_F(Help, HasTheOptionsThatASubcommandCanUse) {
    const auto help = [&](const char* command) { return succeed({command, "--help"}).out; };
    for (const char* command : {"finetune", "distill"}) {
        EXPECT_FALSE(contains(help(command), "--test_file")) << command;
        EXPECT_FALSE(contains(help(command), "--max_predict_samples")) << command;
        EXPECT_PRED2(contains, help(command), "--output_dir TEXT REQUIRED");
    }
    for (const char* command : {"importance", "hash-balance"})
        EXPECT_FALSE(contains(help(command), "--n_best_size")) << command;
    EXPECT_PRED2(contains, help("predict"), "--n_best_size");
}

TEST_F(Help, OptionsWithoutUseAreNamed) {
    put_model();
    put_classes("train.tsv");
    const auto outcome = succeed({"finetune", "--model_name_or_path", path("model"), "--train_file", path("train.tsv"),
                                  "--output_dir", path("out"), "--max_steps", "1", "--max_predict_samples", "3"});
    EXPECT_EQ(
        warnings(outcome),
        (std::vector<std::string>{"warning: --max_predict_samples means nothing to `moebert finetune`: ignored"}));
}

TEST_F(Help, NamesWhatIsNearAndNothingElse) {
    refuse(2, {"serve"}, {"serve: no such subcommand; expected one of ", "finetune"});
    refuse(2, {"predct"}, {"predct: no such subcommand; the nearest is predict"});
    refuse(2, {"predict", "--model", "x"}, {"--model: no such option", "the nearest is --model_name_or_path"});
    refuse(2, {"predict", "--temperature", "1"},
           {"--temperature: no such option", "`moebert predict --help` lists them"});
}

TEST_F(Help, ANameOnTheHubIsToldHowToGetIt) {
    put_classes("data.tsv");
    for (const Arguments& command :
         {Arguments{"evaluate", "--validation_file", path("data.tsv")}, Arguments{"predict", "w1"},
          Arguments{"finetune", "--train_file", path("data.tsv"), "--output_dir", path("out")},
          Arguments{"distill", "--train_file", path("data.tsv"), "--output_dir", path("out")},
          Arguments{"split", "--output_dir", path("out")}, Arguments{"tokenize"}, Arguments{"bench"},
          Arguments{"convert", "--output_dir", path("out")}})
        refuse(1, command + Arguments{"--model_name_or_path", "bert-base-uncased"},
               {"bert-base-uncased: no such folder, and nothing is downloaded; `huggingface-cli download "});
    refuse(1, {"predict", "w1", "--model_name_or_path", path("data.tsv")}, {"data.tsv: is a file; expected a model's"});
}

TEST_F(Help, ARefusedPrecisionNamesThoseThatWork) {
    put_model();
    refuse(2, {"predict", "w1", "--model_name_or_path", path("model"), "--precision", "bf16"},
           {"precision bf16: this processor has no such matrix products; it has those of fp32"}, "",
           "export MOEBERT_CPU_ISA=avx2; ");
}

TEST_F(Help, APreparedModelIsNamedWhereItCannotBeUsed) {
    put_model();
    put_classes("data.tsv");
    succeed({"convert", "--model_name_or_path", path("model"), "--output_dir", path("prepared")});
    refuse(1,
           {"finetune", "--model_name_or_path", path("prepared"), "--train_file", path("data.tsv"), "--output_dir",
            path("out")},
           {"prepared: is prepared for inference by `moebert convert`"});
}

}  // namespace
}  // namespace moebert
