// Runs that are stopped, killed or run out of disk, and go on.
#include <cstdlib>

#include "support.h"

namespace moebert {
namespace {

using test::Arguments;
using test::contains;
using test::Outcome;
using test::operator+;

// How often a run is killed: a few times here, MOEBERT_KILLS times when that is set.
int kills() {
    const char* given = std::getenv("MOEBERT_KILLS");
    return given ? std::atoi(given) : 4;
}

class ResumeProgram : public test::Program {
protected:
    ResumeProgram() {
        put_model();
        put_classes("train.tsv", 40);
        put_classes("dev.tsv", 12);
    }

    Arguments distill(const std::string& output, const std::string& steps) const {
        return {"distill",
                "--model_name_or_path",
                path("model"),
                "--train_file",
                path("train.tsv"),
                "--validation_file",
                path("dev.tsv"),
                "--max_seq_length",
                "16",
                "--output_dir",
                path(output),
                "--split_method",
                "random",
                "--num_experts",
                "4",
                "--expert_size",
                "16",
                "--shared_size",
                "8",
                "--max_steps",
                steps,
                "--logging_steps",
                "7",
                "--evaluation_strategy",
                "steps",
                "--eval_steps",
                "50",
                "--save_strategy",
                "steps",
                "--save_steps",
                "3",
                "--save_total_limit",
                "2",
                "--num_threads",
                "1",
                "--resume_from_checkpoint",
                "latest"};
    }

    // The program gets `signal` after so many seconds.
    static std::string after(double seconds, const std::string& signal) {
        return fmt::format("(sleep {:.3f}; kill -{} $$ 2>/dev/null) >/dev/null 2>&1 & ", seconds, signal);
    }

    // The program gets `signal` when it has written a checkpoint.
    std::string when_saved(const std::string& output, const std::string& signal) const {
        return fmt::format(
            "(until ls '{}' 2>/dev/null | grep -q checkpoint; do sleep 0.1; done; kill -{} $$) "
            ">/dev/null 2>&1 & ",
            path(output), signal);
    }

    std::vector<nlohmann::json> log(const std::string& output) const {
        auto lines = test::json_lines(test::slurp(folder / output / "train_log.jsonl"));
        for (auto& line : lines) line.erase("tokens_per_second");
        return lines;
    }

    void expect_same(const std::string& a, const std::string& b) const {
        EXPECT_EQ(test::slurp(folder / a / "model.safetensors"), test::slurp(folder / b / "model.safetensors"));
        EXPECT_EQ(log(a), log(b));
        EXPECT_EQ(read_json(a + "/eval_results.json"), read_json(b + "/eval_results.json"));
    }

    // The step of the newest checkpoint-N, 0 without one.
    std::int64_t newest(const std::string& output) const {
        std::int64_t step = 0;
        if (!exists(output)) return 0;
        for (const auto& entry : std::filesystem::directory_iterator(folder / output)) {
            const auto name = entry.path().filename().string();
            if (name.starts_with("checkpoint-")) step = std::max<std::int64_t>(step, std::stoll(name.substr(11)));
        }
        return step;
    }
};

TEST_F(ResumeProgram, KilledAtAnyMomentItGoesOnAndEndsWithTheSameModel) {
    succeed(distill("whole", "600"));
    RandomEngine engine(std::random_device{}());
    for (int i = 0; i < kills(); ++i) {
        const auto before = newest("killed");
        const auto outcome = run(distill("killed", "600"), "", after(0.05 + 0.6 * uniform_real(engine), "KILL"));
        if (outcome.code == 0) break;
        EXPECT_EQ(outcome.code, 137) << outcome.err;
        EXPECT_GE(newest("killed"), before);
        EXPECT_FALSE(contains(outcome.err, "damaged")) << outcome.err;
    }
    const auto last = newest("killed");
    const auto outcome = succeed(distill("killed", "600"));
    if (last > 0) {
        EXPECT_PRED2(contains, outcome.err, fmt::format("resuming after step {} ", last));
    }
    expect_same("whole", "killed");
    for (const auto& entry : std::filesystem::directory_iterator(folder / "killed"))
        EXPECT_FALSE(entry.is_directory() && entry.path().filename().string().starts_with(".")) << entry.path();
}

// It may be another's, such as the teacher.
TEST_F(ResumeProgram, LeavesAModelAloneThatHasNoCheckpointToGoOnFrom) {
    put_model("cls3", "other");
    const auto model = test::slurp(folder / "other/model.safetensors");
    refuse(2, distill("other", "10"), {path("other"), "has a model", "--overwrite_output_dir"});
    EXPECT_EQ(test::slurp(folder / "other/model.safetensors"), model);
    std::filesystem::create_directories(folder / "run/checkpoint-500");
    put("run/checkpoint-500/pytorch_model.bin", "x");
    refuse(2, distill("run", "10"), {path("run"), "checkpoints that this run does not go on from"});
    EXPECT_TRUE(exists("run/checkpoint-500/pytorch_model.bin"));
    succeed(distill("run", "10") + Arguments{"--overwrite_output_dir"});
    EXPECT_FALSE(exists("run/checkpoint-500"));
    // A checkpoint of one run, the folder of another.
    refuse(2, distill("other", "10") + Arguments{"--resume_from_checkpoint", path("run/checkpoint-6")},
           {path("other"), "checkpoints that this run does not go on from"});
}

TEST_F(ResumeProgram, DoesNotRemoveWhatItTrainsFrom) {
    put_model("cls3", "out");
    std::filesystem::copy(path("out"), path("out/checkpoint-best"));
    refuse(
        2,
        distill("out", "4") + Arguments{"--overwrite_output_dir", "--model_name_or_path", path("out/checkpoint-best")},
        {path("out/checkpoint-best") + ": --overwrite_output_dir would remove it"});
    refuse(2, distill("model", "4") + Arguments{"--overwrite_output_dir"},
           {path("model") + ": --overwrite_output_dir"});
}

TEST_F(ResumeProgram, BeginsAtTheBeginningWhereThereIsNothing) {
    EXPECT_PRED2(contains, succeed(distill("new", "1")).err,
                 path("new") + ": no checkpoint to resume from; starting at the beginning");
}

TEST_F(ResumeProgram, SavesWhenItIsToldToStopAndSaysHowToGoOn) {
    for (const auto& [signal, name, code] : {std::tuple{"TERM", "SIGTERM", 143}, {"INT", "SIGINT", 130}}) {
        const auto output = std::string("stopped") + signal;
        const auto outcome = run(distill(output, "1000000"), "", when_saved(output, signal));
        EXPECT_EQ(outcome.code, code) << outcome.err;
        EXPECT_EQ(outcome.out, "");
        ASSERT_EQ(errors(outcome).size(), 1U) << outcome.err;
        EXPECT_PRED2(contains, errors(outcome)[0], fmt::format("training: stopped by {} after step ", name));
        EXPECT_PRED2(contains, errors(outcome)[0],
                     fmt::format("of 1000000; --resume_from_checkpoint latest goes on from {}/checkpoint-{}",
                                 path(output), newest(output)));
        EXPECT_FALSE(exists(output + "/model.safetensors"));
    }
}

TEST_F(ResumeProgram, AFullDiskWhileSavingKeepsTheCheckpointBefore) {
    succeed(distill("out", "6"));
    // No file may grow past 16 blocks.
    const auto outcome = run(distill("out", "6") + Arguments{"--max_steps", "6", "--overwrite_output_dir"}, "",
                             "trap '' XFSZ; ulimit -f 16; ");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(newest("out"), 6);
    std::filesystem::remove_all(folder / "out/checkpoint-6");
    const auto full = run(distill("out", "6"), "", "trap '' XFSZ; ulimit -f 16; ");
    EXPECT_EQ(full.code, 1);
    ASSERT_EQ(errors(full).size(), 1U) << full.err;
    EXPECT_PRED2(contains, errors(full)[0], "can't be written: File too large");
    EXPECT_EQ(newest("out"), 3);
    EXPECT_FALSE(exists("out/.checkpoint-6"));
    succeed(distill("out", "6"));
    EXPECT_EQ(newest("out"), 6);
}

TEST_F(ResumeProgram, ADamagedCheckpointIsNamedAndTheOneBeforeTaken) {
    succeed(distill("whole", "8"));
    succeed(distill("out", "8"));
    auto content = test::slurp(folder / "out/checkpoint-6/model.safetensors");
    content[content.size() - 100] ^= 1;
    put("out/checkpoint-6/model.safetensors", content);
    const auto outcome = succeed(distill("out", "8"));
    ASSERT_EQ(warnings(outcome).size(), 1U) << outcome.err;
    EXPECT_PRED2(contains, warnings(outcome)[0], "checkpoint-6/model.safetensors: damaged: expected the checksum");
    EXPECT_PRED2(contains, outcome.err, "resuming after step 3 ");
    expect_same("whole", "out");
}

TEST_F(ResumeProgram, TwoRunsCannotShareAnOutputFolder) {
    std::filesystem::create_directories(folder / "out");
    const auto outcome = run(distill("out", "3"), "", fmt::format("exec 9< '{}'; flock 9; ", path("out")));
    EXPECT_EQ(outcome.code, 1);
    ASSERT_EQ(errors(outcome).size(), 1U) << outcome.err;
    EXPECT_PRED2(contains, errors(outcome)[0], path("out") + ": another run is writing into this folder");
}

TEST_F(ResumeProgram, NamesACheckpointThatIsNotThere) {
    auto arguments = distill("out", "3");
    arguments.back() = path("nowhere");
    refuse(1, arguments, {"nowhere: is no checkpoint of a training; give latest"});
}

}  // namespace
}  // namespace moebert
