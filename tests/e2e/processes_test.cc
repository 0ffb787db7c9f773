// One job in several processes, as `moebert --nproc N` starts them.
#include <cmath>
#include <cstdlib>

#include "support.h"

namespace moebert {
namespace {

using test::Arguments;
using test::contains;
using test::operator+;

class ProcessesProgram : public test::Program {
protected:
    ProcessesProgram() {
        put_model();
        put_classes("train.tsv", 42);
        put_classes("dev.tsv", 25);
    }

    void SetUp() override {
#ifdef MOEBERT_CUDA
        GTEST_SKIP() << "this build exchanges by NCCL, which takes a GPU for each process";
#endif
    }

    Arguments with_data(const std::string& command, const std::string& batch) const {
        return {command,
                "--model_name_or_path",
                path("model"),
                "--train_file",
                path("train.tsv"),
                "--validation_file",
                path("dev.tsv"),
                "--max_seq_length",
                "16",
                "--per_device_train_batch_size",
                batch};
    }
    Arguments distill(const std::string& output, const std::string& batch, const std::string& steps) const {
        return with_data("distill", batch) + Arguments{"--output_dir",     path(output), "--num_experts",  "4",
                                                       "--expert_size",    "16",         "--shared_size",  "8",
                                                       "--route_method",   "gate-token", "--load_balance", "auto",
                                                       "--expert_dropout", "0",          "--max_steps",    steps,
                                                       "--logging_steps",  "1",          "--adam_epsilon", "1e-3"};
    }
    static Arguments two(const Arguments& arguments) { return Arguments{"--nproc", "2"} + arguments; }

    // The model without dropout, so that sentences are the same whichever process has them.
    void drop_nothing() const {
        auto config = read_json("model/config.json");
        config["hidden_dropout_prob"] = config["attention_probs_dropout_prob"] = 0.0;
        put("model/config.json", config.dump());
    }

    void expect_close(const nlohmann::json& found, const nlohmann::json& expected, double bound) const {
        for (const auto& [name, value] : expected.items()) {
            if (!value.is_number() || contains(name, "second") || contains(name, "runtime") ||
                contains(name, "time_to"))
                continue;
            EXPECT_NEAR(found.at(name).get<double>(), value.get<double>(), bound) << name;
        }
    }
};

TEST_F(ProcessesProgram, TwoDistilAsOneDoes) {
    drop_nothing();
    const auto alone = succeed(distill("alone", "8", "12"));
    const auto together = succeed(two(distill("together", "4", "12")));
    EXPECT_EQ(test::lines_of(together.out).size(), 1U);
    EXPECT_EQ(warnings(together).size(), 0U) << together.err;
    expect_close(together.json(), alone.json(), 1e-3);
    const auto lines = [&](const std::string& output) {
        return test::json_lines(test::slurp(folder / output / "train_log.jsonl"));
    };
    constexpr std::size_t kLines = 14;  // the teacher's, 12 steps', the end's
    ASSERT_EQ(lines("together").size(), kLines);
    for (std::size_t i = 0; i < kLines; ++i) expect_close(lines("together")[i], lines("alone")[i], 1e-3);
    EXPECT_EQ(together.json().at("expert_load").size(), 3U);
    EXPECT_TRUE(exists("together/model.safetensors"));
    const auto evaluate = [&](const Arguments& prefix) {
        return succeed(prefix + Arguments{"evaluate", "--model_name_or_path", path("together"), "--validation_file",
                                          path("dev.tsv"), "--output_dir", path("evaluated")})
            .json();
    };
    EXPECT_EQ(evaluate({"--nproc", "2"}).at("expert_load"), evaluate({}).at("expert_load"));
    EXPECT_TRUE(exists("together/importance.safetensors"));
}

TEST_F(ProcessesProgram, TwoScoreEvaluateAndPredictAsOneDoes) {
    for (const auto& [output, prefix] : {std::pair{"one", Arguments{}}, {"two", Arguments{"--nproc=2"}}}) {
        succeed(prefix + with_data("importance", "8") + Arguments{"--output_dir", path(output)});
        succeed(prefix + Arguments{"evaluate", "--model_name_or_path", path("model"), "--validation_file",
                                   path("dev.tsv"), "--output_dir", path(output)});
        const auto predicted = succeed(
            prefix + Arguments{"predict", "--model_name_or_path", path("model"), "--test_file", path("dev.tsv")});
        put(std::string(output) + "/predicted", predicted.out);
    }
    EXPECT_EQ(test::slurp(folder / "two/predicted"), test::slurp(folder / "one/predicted"));
    expect_close(read_json("two/eval_results.json"), read_json("one/eval_results.json"), 0.0);
    const auto inspect = [&](const std::string& output) {
        return succeed({"inspect", path(output + "/importance.safetensors"), "--json"}).json();
    };
    EXPECT_EQ(inspect("two").at("examples"), inspect("one").at("examples"));
}

TEST_F(ProcessesProgram, AreToldOfOneErrorOnce) {
    const auto outcome = run(two(with_data("finetune", "0") + Arguments{"--output_dir", path("out")}));
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(errors(outcome).size(), 1U) << outcome.err;
    EXPECT_PRED2(contains, outcome.err, "moebert: per_device_train_batch_size: 0 given; expected 1 to 1000000");
    EXPECT_FALSE(exists("out"));
}

// What the first one alone finds out, too.
TEST_F(ProcessesProgram, AreToldOfTheFirstOnesError) {
    put_model("cls3", "out");
    const auto outcome = run(two(distill("out", "4", "2") + Arguments{"--resume_from_checkpoint", "latest"}));
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(errors(outcome).size(), 1U) << outcome.err;
    EXPECT_PRED2(contains, outcome.err, path("out") + " has a model or checkpoints that this run does not go on from");
}

TEST_F(ProcessesProgram, AreEndedWhenOneOfThemIsKilled) {
    // The last child of the launcher, whose number the shell's is.
    const std::string kill = "(sleep 2; kill -KILL $(awk '{print $NF}' /proc/$$/task/$$/children)) >/dev/null 2>&1 & ";
    const auto outcome = run(two(distill("out", "4", "1000000")), "", kill);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(errors(outcome), (std::vector<std::string>{"moebert: process 1 of 2 was ended by signal 9 (Killed)"}));
}

// At any moment, however early.
TEST_F(ProcessesProgram, NoSignalIsLost) {
    for (const char* seconds : {"0", "0.01", "0.02", "0.05", "0.3"}) {
        const auto stop = fmt::format("(sleep {}; kill -TERM $$) >/dev/null 2>&1 & ", seconds);
        const auto outcome = run(two(distill("out", "4", "1000000") + Arguments{"--overwrite_output_dir"}), "", stop);
        EXPECT_EQ(outcome.code, 143) << seconds << ' ' << outcome.err;
    }
}

TEST_F(ProcessesProgram, AllStopAfterTheSameStepAndGoOn) {
    const auto save = Arguments{"--resume_from_checkpoint", "latest", "--save_strategy", "steps", "--save_steps", "20"};
    const auto stop = fmt::format(
        "(until [ -e '{}/checkpoint-20' ]; do sleep 0.1; done; kill -TERM $$) >/dev/null 2>&1 & ", path("out"));
    const auto outcome = run(two(distill("out", "4", "1000000") + save), "", stop);
    EXPECT_EQ(outcome.code, 143) << outcome.err;
    ASSERT_EQ(errors(outcome).size(), 1U) << outcome.err;
    EXPECT_PRED2(contains, errors(outcome)[0], "training: stopped by SIGTERM after step ");
    EXPECT_PRED2(contains, errors(outcome)[0], "goes on from " + path("out/checkpoint-"));
    // One process with twice the sentences goes on; it has other steps to go, which is what it says.
    const auto other = run(distill("out", "8", "7") + save);
    EXPECT_EQ(other.code, 1);
    EXPECT_PRED2(contains, other.err, "total_steps: this run has 7, the checkpoint's had 1000000");
}

// A Python that has PyTorch: $MOEBERT_PYTHON, or python3 if it does.
std::string torchrun() {
    const char* given = std::getenv("MOEBERT_PYTHON");
    const std::string python = given ? given : "python3";
    const auto found = std::system((python + " -c 'import torch.distributed.run' > /dev/null 2>&1").c_str()) == 0;
    return found ? python + " -m torch.distributed.run --no-python --standalone --nproc_per_node 2 " : "";
}

TEST_F(ProcessesProgram, RunUnderTorchrunAndGoOnAfterOneWasKilled) {
    launcher = torchrun();
    if (launcher.empty()) GTEST_SKIP() << "no python3 with torch (MOEBERT_PYTHON names another)";
    const auto saving =
        Arguments{"--save_strategy", "steps", "--save_steps", "50", "--resume_from_checkpoint", "latest"};
    drop_nothing();
    const auto once = run(distill("once", "4", "3000") + saving);
    EXPECT_EQ(once.code, 0) << once.err;
    EXPECT_EQ(test::lines_of(once.out).size(), 1U) << once.out;
    launcher += "--max-restarts 2 ";
    // A process is killed when the first checkpoint is there.
    const auto kill = fmt::format(
        "(until [ -e '{}/checkpoint-100' ]; do sleep 0.1; done; kill -KILL $(awk '{{print $NF}}' "
        "/proc/$$/task/$$/children)) >/dev/null 2>&1 & ",
        path("killed"));
    const auto killed = run(distill("killed", "4", "3000") + saving, "", kill);
    EXPECT_EQ(killed.code, 0) << killed.err;
    EXPECT_PRED2(contains, killed.err, "resuming after step ");
    EXPECT_EQ(test::slurp(folder / "killed/model.safetensors"), test::slurp(folder / "once/model.safetensors"));
}

TEST_F(ProcessesProgram, RefuseWhatTheyCannotShare) {
    refuse(2, two({"predict", "--model_name_or_path", path("model")}), {"standard input: 2 processes can't share it"},
           "w1\n");
    refuse(2, two({"convert", "--model_name_or_path", path("model"), "--output_dir", path("out")}),
           {"convert: a job of one process, started in 2; several share finetune, importance, distill"});
    EXPECT_FALSE(std::filesystem::exists(path("out")));
    refuse(2, {"--nproc", "none", "finetune"}, {"--nproc: 'none' given; expected a number from 1 to 1024"});
    refuse(
        2,
        two(with_data("importance", "8") + Arguments{"--output_dir", path("out"), "--world_size", "2", "--rank", "0"}),
        {"world_size: 2 given, but a launcher started 2 processes"});
    const auto outcome =
        run(with_data("finetune", "8") + Arguments{"--output_dir", path("out")}, "", "export WORLD_SIZE=2 RANK=7; ");
    EXPECT_EQ(outcome.code, 2);
    EXPECT_PRED2(contains, outcome.err, "environment: RANK: '7' given; expected a number from 0 to 1");
}

}  // namespace
}  // namespace moebert
