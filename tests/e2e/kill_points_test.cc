// Killed before any step that makes files permanent, a program leaves the old model, the new one, or a folder that
// nothing takes for a model; never parts of both.
#include <set>

#include "bad_input.h"

namespace moebert {
namespace {

using test::Arguments;
using test::BadInput;
using test::operator+;

class KillPoints : public BadInput {
protected:
    KillPoints() { put_classes("other.tsv"); }

    // Of a run that isn't killed, by name of the file: "sync", "rename".
    std::vector<std::string> steps_of(const Arguments& command) const {
        const auto log = folder.string() + ".steps";
        std::filesystem::remove(log);
        const auto outcome = run(command, "w1\n", preload() + "export MOEBERT_STEPS_LOG=" + log + "; ");
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        const auto lines = test::lines_of(test::slurp(log));
        std::filesystem::remove(log);
        return lines;
    }

    // Runs the command once for every step, killed before it; `prepare` makes what was there before, `check` looks at
    // what is left. The last run is one that isn't killed.
    void kill_at_every_step(const Arguments& command, const std::function<void()>& prepare,
                            const std::function<void()>& check) const {
        for (int at = 1; at < 200; ++at) {
            SCOPED_TRACE(fmt::format("{} killed at step {}", command.front(), at));
            prepare();
            const auto outcome = run(command, "w1\n", preload() + fmt::format("export MOEBERT_KILL_AT={}; ", at));
            check();
            if (outcome.code == 0) {
                EXPECT_GT(at, 2) << "nothing was killed";
                return;
            }
            ASSERT_EQ(outcome.code, 128 + SIGKILL) << outcome.err;
        }
        ADD_FAILURE() << command.front() << ": no end";
    }

    static std::string preload() { return "export LD_PRELOAD=" MOEBERT_KILL_POINTS "; "; }

    void restore_folder(const std::string& from, const std::string& to) const {
        std::filesystem::remove_all(folder / to);
        std::filesystem::copy(folder / from, folder / to, std::filesystem::copy_options::recursive);
    }

    // The folder "out" is one of these models, or none.
    void expect_one_of(const std::vector<std::string>& models) const {
        if (!exists("out/config.json")) return;
        Checkpoint found;
        ASSERT_NO_THROW(found = load_checkpoint(folder / "out"));
        for (const auto& model : models) {
            const auto whole = load_checkpoint(folder / model);
            if (checkpoint_digest(whole) == checkpoint_digest(found) &&
                to_json(whole.config) == to_json(found.config) &&
                test::slurp(folder / model / "vocab.txt") == test::slurp(folder / "out/vocab.txt"))
                return;
        }
        ADD_FAILURE() << "the folder has parts of several models";
    }

    // `command` writes into "out" what it wrote into "new".
    void expect_whole_models(const Arguments& command) const {
        succeed(command + Arguments{"--output_dir", path("new")});
        kill_at_every_step(
            command + Arguments{"--output_dir", path("out"), "--overwrite_output_dir"},
            [&] { restore_folder("old", "out"); },
            [&] {
                expect_one_of({"old", "new"});
            });
        EXPECT_TRUE(exists("out/config.json"));
    }

    // Another model, with other labels and another vocabulary.
    void put_old_model() const {
        auto model = load_checkpoint(folder / "model");
        for (auto& name : model.config.label_names) name = "old " + name;
        model.tensors["classifier.bias"] = Tensor::from<float>({3}, std::vector<float>{7, 8, 9});
        save_checkpoint(folder / "old", model.config, model.tensors);
        put("old/vocab.txt", vocabulary() + "\n");
    }
};

TEST_F(KillPoints, LeaveASplitModelWholeOrNone) {
    put_old_model();
    auto command = split();
    command.erase(command.begin() + 3, command.begin() + 5);  // the folder, which is given anew
    expect_whole_models(command);
}

TEST_F(KillPoints, LeaveAFineTunedModelWholeOrNone) {
    put_old_model();
    expect_whole_models(with_model("finetune") + Arguments{"--train_file", path("train.tsv"), "--max_seq_length", "16",
                                                           "--max_steps", "1", "--num_threads", "1"});
}

TEST_F(KillPoints, LeaveADistilledModelWholeOrNone) {
    put_old_model();
    expect_whole_models(with_model("distill") + Arguments{"--train_file", path("train.tsv"), "--max_seq_length", "16",
                                                          "--max_steps", "1", "--num_experts", "4", "--expert_size",
                                                          "16", "--shared_size", "8", "--split_method", "random",
                                                          "--num_threads", "1"});
}

TEST_F(KillPoints, LeaveAConvertedModelWholeOrNone) {
    const auto convert = [&](const std::string& from, const std::string& to, const std::string& kind) {
        return Arguments{"convert", "--model_name_or_path",   path(from),    "--output_dir", path(to), "--to",
                         kind,      "--overwrite_output_dir", "--precision", "fp32"};
    };
    put_old_model();
    succeed(convert("model", "prepared", "prepared"));
    succeed(convert("prepared", "new", "safetensors"));
    kill_at_every_step(
        convert("prepared", "out", "safetensors"), [&] { restore_folder("old", "out"); },
        [&] {
            expect_one_of({"old", "new"});
        });
    const auto predict_with = [&](const std::string& model) {
        return run({"predict", "--model_name_or_path", path(model), "--max_seq_length", "16"}, "w1 w2\n");
    };
    succeed(convert("old", "old prepared", "prepared"));
    const std::set<std::string> right{predict_with("prepared").out, predict_with("old prepared").out};
    EXPECT_EQ(right.size(), 2U);
    kill_at_every_step(
        convert("model", "out", "prepared"), [&] { restore_folder("old prepared", "out"); },
        [&] {
            const auto outcome = predict_with("out");
            EXPECT_TRUE(right.contains(outcome.out) || (outcome.code != 0 && outcome.out.empty())) << outcome.out;
        });
}

TEST_F(KillPoints, LeaveAFileOldOrNew) {
    succeed(importance({"--output_dir", path("scores")}));
    const auto old_or_new = [&](const Arguments& command, const std::string& name) {
        succeed(command, "w1\n");
        const auto whole = test::slurp(folder / name);
        kill_at_every_step(
            command, [&] { put(name, "old"); },
            [&] {
                const auto found = test::slurp(folder / name);
                EXPECT_TRUE(found == "old" || found == whole) << found;
            });
    };
    std::filesystem::create_directory(folder / "out");
    old_or_new(importance({"--overwrite_output_dir", "--num_threads", "1"}), "out/importance.safetensors");
    old_or_new(hash_balance({"--overwrite_output_dir"}), "out/hash_list.pkl");
    old_or_new(predict(), "out.jsonl");
    old_or_new({"merge-importance", path("scores/importance.safetensors"), "--output_file", path("sum.safetensors"),
                "--overwrite_output_dir"},
               "sum.safetensors");
}

TEST_F(KillPoints, LeaveScoresOldOrNew) {
    std::filesystem::create_directory(folder / "eval");
    kill_at_every_step(
        evaluate({"--output_dir", path("eval")}), [&] { put("eval/eval_results.json", "old"); },
        [&] {
            const auto found = test::slurp(folder / "eval/eval_results.json");  // of new ones the times differ
            if (found == "old") return;
            EXPECT_TRUE(nlohmann::json::parse(found).at("eval_accuracy").is_number()) << found;
        });
}

TEST_F(KillPoints, ComeAfterTheContentIsOnTheDisk) {
    for (const auto& command :
         {split(), finetune({"--max_steps", "1"}), importance({"--output_dir", path("scores")}),
          hash_balance({"--output_dir", path("hash")}), evaluate({"--output_dir", path("eval")}), predict()}) {
        SCOPED_TRACE(command.front());
        std::filesystem::remove_all(folder / "out");
        std::set<std::string> synced;
        std::size_t renamed = 0;
        for (const auto& line : steps_of(command)) {
            std::istringstream words(line);
            std::string what, from;
            words >> what >> from;
            if (what == "sync") synced.insert(std::filesystem::path(from).filename());
            if (what != "rename") continue;
            ++renamed;
            EXPECT_TRUE(synced.contains(std::filesystem::path(from).filename())) << line;
        }
        EXPECT_GE(renamed, 1U);
    }
}

}  // namespace
}  // namespace moebert
