// Trouble on the way: losses that are no numbers, full disks, folders that can't be written.
#include <unistd.h>

#include <cmath>
#include <limits>

#include "bad_input.h"
#include "io/file.h"

namespace moebert {
namespace {

using test::Arguments;
using test::BadInput;
using test::kFailed;
using test::kUsage;
using test::operator+;

TEST_F(BadInput, ALossThatIsNoNumberStopsAndNamesTheStepAndTheLastGoodCheckpoint) {
    const auto outcome = run(finetune({"--learning_rate", "1e30", "--max_steps", "20", "--save_strategy", "steps",
                                       "--save_steps", "1", "--lr_scheduler_type", "constant"}));
    EXPECT_EQ(outcome.code, kFailed);
    EXPECT_EQ(outcome.out, "");
    ASSERT_EQ(errors(outcome).size(), 1U) << outcome.err;
    EXPECT_PRED2(test::contains, errors(outcome)[0], "training: step ");
    EXPECT_FALSE(exists("out/model.safetensors"));
    EXPECT_FALSE(exists("out/all_results.json"));
}

TEST_F(BadInput, WeightsThatAreNoNumbersAreNamed) {
    auto model = load_checkpoint(folder / "model");
    const std::vector<float> weights(32, std::numeric_limits<float>::infinity());
    model.tensors["bert.encoder.layer.1.output.dense.bias"] = Tensor::from<float>({32}, weights);
    save_checkpoint(folder / "model", model.config, model.tensors);
    for (const auto& command : {finetune(), importance({"--output_dir", path("scores")}), predict()})
        refuse(kFailed, command, {"model.safetensors: bert.encoder.layer.1.output.dense.bias: expected finite numbers"},
               "w1\n");
}

// Finite ones whose products are not.
TEST_F(BadInput, WeightsThatAreTooLargeAreNoticedAtTheFirstStep) {
    auto model = load_checkpoint(folder / "model");
    std::vector<float> weights(32 * 32, 3e38F);
    model.tensors["bert.encoder.layer.1.attention.self.query.weight"] = Tensor::from<float>({32, 32}, weights);
    save_checkpoint(folder / "model", model.config, model.tensors);
    const auto outcome = run(finetune());
    EXPECT_EQ(outcome.code, kFailed);
    ASSERT_EQ(errors(outcome).size(), 1U) << outcome.err;
    EXPECT_PRED2(test::contains, errors(outcome)[0], "training: step 1: the loss is nan");
    EXPECT_PRED2(test::contains, errors(outcome)[0], "last good checkpoint: none was saved");
    EXPECT_FALSE(exists("out/model.safetensors"));
    refuse(kFailed, importance({"--output_dir", path("scores")}), {"nan"});
    refuse(kFailed, predict(), {"expected a finite number"}, "w1\n");
}

TEST_F(BadInput, AFullDiskIsNamedByItsFileAndLeavesNoPartOfIt) {
    // No file may grow past 16 blocks of 512 or 1024 bytes: the model has 170 KiB.
    const std::string full = "trap '' XFSZ; ulimit -f 16; ";
    const auto fails = [&](const Arguments& command, const std::string& name) {
        SCOPED_TRACE(command.front());
        const auto outcome = run(command, "", full);
        EXPECT_EQ(outcome.code, kFailed);
        EXPECT_EQ(outcome.out, "");
        ASSERT_EQ(errors(outcome).size(), 1U) << outcome.err;
        EXPECT_PRED2(test::contains, errors(outcome)[0], path(name));
        EXPECT_FALSE(exists(name));
        const auto directory = (folder / name).parent_path();
        if (!std::filesystem::exists(directory)) return;
        for (const auto& entry : std::filesystem::directory_iterator(directory))
            EXPECT_TRUE(entry.path().filename() == "train_log.jsonl" || entry.path().filename() == "training_args.json")
                << entry.path();
    };
    fails(finetune({"--output_dir", path("a")}), "a/model.safetensors");
    fails(finetune({"--output_dir", path("b"), "--save_strategy", "steps", "--save_steps", "1"}),
          "b/.checkpoint-1/model.safetensors");
    fails(split({"--output_dir", path("c")}), "c/model.safetensors");
    fails(distill({"--output_dir", path("d")}), "d/model.safetensors");
}

TEST_F(BadInput, AnOutputThatCannotBeWrittenIsNamed) {
    put("file", "x");
    // Before the model is read, which takes long.
    std::filesystem::rename(folder / "model/model.safetensors", folder / "model/hidden");
    refuse(kFailed, predict({"--output_file", path("file/out.jsonl")}), {path("file") + ": can't be created"}, "w1\n");
    refuse(kFailed, predict({"--output_file", path("model")}), {path("model") + ": can't be written"}, "w1\n");
    refuse(kFailed, evaluate({"--output_dir", path("file/out")}), {path("file/out") + ": can't be created"});
    refuse(kFailed, importance({"--output_dir", path("file/out")}), {path("file/out") + ": can't be created"});
    refuse(kFailed, split({"--output_dir", path("file/out")}), {path("file/out") + ": can't be created"});
    std::filesystem::rename(folder / "model/hidden", folder / "model/model.safetensors");
    for (const auto& command :
         {split({"--output_dir", path("file/out")}), finetune({"--output_dir", path("file/out")}),
          distill({"--output_dir", path("file/out")}), importance({"--output_dir", path("file/out")}),
          hash_balance({"--output_dir", path("file/out")})})
        refuse(kFailed, command, {path("file")});
    refuse(kFailed, evaluate({"--output_dir", path("file")}), {path("file") + ": can't be created: Not a directory"});
}

TEST_F(BadInput, WhatIsReadIsNotWrittenOver) {
    put("lines.txt", "w1\n");
    const std::string message = "would be written over, and is read from";
    refuse(kUsage, predict({"--test_file", path("lines.txt"), "--output_file", path("lines.txt")}), {message});
    std::filesystem::create_hard_link(folder / "lines.txt", folder / "same.txt");
    refuse(kUsage, predict({"--test_file", path("lines.txt"), "--output_file", path("same.txt")}), {message});
    refuse(kUsage, predict({"--output_file", path("model/config.json")}), {message}, "w1\n");
    launcher = "sh -c 'exec \"$@\" < " + path("lines.txt") + "' sh";
    refuse(kUsage, predict({"--output_file", path("lines.txt")}), {message});
    launcher.clear();
    for (const auto* target : {"train.tsv", "model/model.safetensors", "model/vocab.txt"}) {
        const Arguments over{"--output_file", path(target), "--overwrite_output_dir"};
        refuse(kUsage, importance(over), {path(target), message});
        refuse(kUsage, hash_balance(over), {path(target), message});
    }
    succeed(importance({"--output_dir", path("model")}));
    succeed(importance({"--output_dir", path("model"), "--overwrite_output_dir"}));
    refuse(kUsage,
           {"merge-importance", path("model/importance.safetensors"), "--output_file",
            path("model/importance.safetensors"), "--overwrite_output_dir"},
           {message});
}

TEST_F(BadInput, AFolderThatAnotherRunWritesIntoIsLeftToIt) {
    std::filesystem::create_directory(folder / "out");
    const FolderLock another(folder / "out");
    const Arguments over{"--overwrite_output_dir"};
    const Arguments convert = with_model("convert") + Arguments{"--output_dir", path("out")};
    for (const auto& command : {finetune(over), split(over), distill(over), importance(over), evaluate(), convert})
        refuse(kFailed, command, {path("out") + ": another run is writing into this folder"});
}

TEST_F(BadInput, WhatEvaluateFoundIsPrintedEvenIfItCantBeSaved) {
    for (const auto* name : {"eval_results.json", "eval_predictions.json"})
        std::filesystem::create_directories(folder / "full" / name / "folder");
    put_model("qa", "answers");
    put("questions.jsonl",
        R"({"id": "a", "question": "w1", "context": "w2 w3", "answers": [{"text": "w3", "answer_start": 3}]})");
    for (const auto& [command, metric] :
         {std::pair{evaluate(), "eval_accuracy"},
          {Arguments{"evaluate", "--model_name_or_path", path("answers"), "--validation_file", path("questions.jsonl"),
                     "--max_seq_length", "16", "--doc_stride", "4"},
           "eval_f1"}}) {
        const auto outcome = run(command + Arguments{"--output_dir", path("full")});
        EXPECT_EQ(outcome.code, kFailed);
        EXPECT_TRUE(outcome.json().contains(metric));
        ASSERT_EQ(errors(outcome).size(), 1U) << outcome.err;
        EXPECT_PRED2(test::contains, errors(outcome).front(), path("full"));
    }
}

TEST_F(BadInput, AnswersOfWeightsThatAreNoNumbersAreRefused) {
    put_model("qa", "answers");
    auto model = load_checkpoint(folder / "answers");
    model.tensors["qa_outputs.bias"] = Tensor::from<float>({2}, std::vector<float>(2, 3e38F));
    save_checkpoint(folder / "answers", model.config, model.tensors);
    const Arguments ask{"--question", "w1", "--context", "w2 w3", "--doc_stride", "4"};
    refuse(kFailed, Arguments{"predict", "--model_name_or_path", path("answers")} + ask,
           {"the model's result for question 0 is", "expected a finite number"});
}

// More threads than fit into the memory that the process may have.
TEST_F(BadInput, ThreadsThatCantBeStartedAreAnError) {
    refuse(kFailed, predict({"--num_threads", "1024"}), {"threads: the system starts", "of 1023"}, "w1\n",
           "ulimit -v 1000000; ");
}

TEST_F(BadInput, TrainingThatGetsTooLittleMemoryOrTooFewThreadsSaysSo) {
    for (const auto& command : {finetune(), importance(), distill()}) {
        refuse(kFailed, command, {"memory: this process may use 585 MB of addresses (ulimit -v)"}, "",
               "ulimit -v 600000; ");
        launcher = "prlimit --as=800000000";
        refuse(kFailed, command, {"memory: this process may use 762 MB"});
        launcher.clear();
    }
    EXPECT_EQ(run(with_model("predict") + Arguments{"--max_seq_length", "16"}, "w1\n", "ulimit -v 600000; ").code, 0);
    // As another user, who has no processes, and may not reach the program where its folder is this user's alone.
    if (::geteuid() != 0) return;
    launcher = "setpriv --reuid 54321 --clear-groups";
    if (run({"--version"}).code != 0) return;
    std::filesystem::permissions(folder, std::filesystem::perms::all);
    launcher = "setpriv --reuid 54321 --clear-groups prlimit --nproc=1";
    refuse(kFailed, finetune(), {"threads: the system starts 0 threads beside this one (ulimit -u)"});
}

TEST_F(BadInput, AFullStandardOutputIsAFailure) {
    for (const auto& [command, input] : all_commands()) {
        if (command.front() == "predict") continue;
        const auto outcome = run(command, input, "", "/dev/full");
        EXPECT_EQ(outcome.code, kFailed) << command.front();
        EXPECT_EQ(errors(outcome), (std::vector<std::string>{"moebert: standard output: can't be written"}));
        std::filesystem::remove_all(folder / "out");
    }
    const auto outcome = run(with_model("predict") + Arguments{"--max_seq_length", "16"}, "w1\n", "", "/dev/full");
    EXPECT_EQ(outcome.code, kFailed);
    EXPECT_EQ(errors(outcome).size(), 1U);
}

TEST_F(BadInput, MessagesThatCannotBeWrittenAreLostAndTheWorkIsNot) {
    const auto predict_one = with_model("predict") + Arguments{"--max_seq_length", "16"};
    const auto predictions = run(predict_one, "w1\n").out;
    const char* full = "sh -c 'exec \"$@\" 2> /dev/full' sh";
    const char* closed = "sh -c 'exec \"$@\" 2>&-' sh";
    const char* without_reader = "bash -c 'exec 2> >(:); sleep 0.3; exec \"$@\"' bash";
    for (const auto* shell : {full, closed, without_reader}) {
        SCOPED_TRACE(shell);
        launcher = shell;
        const auto predicted = run(predict_one, "w1\n");
        EXPECT_EQ(predicted.code, 0);
        EXPECT_EQ(predicted.out, predictions);
        // A file that took standard error's number would get the messages.
        EXPECT_EQ(run(finetune({"--logging_steps", "1"})).code, 0);
        EXPECT_NO_THROW(load_checkpoint(folder / "out"));
        std::filesystem::remove_all(folder / "out");
        EXPECT_EQ(run(finetune({"--learning_rate", "-1"})).code, kUsage);
    }
}

TEST_F(BadInput, AClosedStandardOutputIsAFailure) {
    launcher = "sh -c 'exec \"$@\" >&-' sh";
    const auto outcome = run(with_model("predict") + Arguments{"--max_seq_length", "16"}, "w1\n");
    EXPECT_EQ(outcome.code, kFailed);
    EXPECT_EQ(errors(outcome).size(), 1U) << outcome.err;
}

TEST_F(BadInput, ErrorsGoToNoDescriptorThatTheEnvironmentNames) {
    for (const auto* descriptor : {"1", "7", "99", "x", ""}) {
        SCOPED_TRACE(descriptor);
        const auto outcome = run({"inspect", path("none")}, "",
                                 fmt::format("export MOEBERT_ERRORS_TO={}; exec 7> {}; ", descriptor, path("seven")));
        EXPECT_EQ(outcome.code, kFailed);
        EXPECT_EQ(outcome.out, "");
        EXPECT_EQ(errors(outcome).size(), 1U) << outcome.err;
        EXPECT_EQ(test::slurp(path("seven")), "");
    }
}

TEST_F(BadInput, AnOutputFolderThatIsNotEmptyIsLeftAlone) {
    std::filesystem::create_directories(folder / "out");
    put("out/mine.txt", "mine");
    for (const auto& command : {finetune(), split(), distill()})
        refuse(kUsage, command, {path("out"), "--overwrite_output_dir"});
    put("out/importance.safetensors", "mine");
    refuse(kUsage, importance(), {path("out/importance.safetensors"), "--overwrite_output_dir"});
    put("out/hash_list.pkl", "mine");
    refuse(kUsage, hash_balance(), {path("out/hash_list.pkl"), "--overwrite_output_dir"});
}

}  // namespace
}  // namespace moebert
