// The commands that the tests of bad input and of trouble give, each right but for what a test adds or breaks.
#pragma once

#include "support.h"

namespace moebert::test {

constexpr int kFailed = 1, kUsage = 2;

class BadInput : public Program {
public:
    BadInput() {
        put_model();
        put_classes("train.tsv");
        put_classes("dev.tsv", 9);
    }

    Arguments with_model(const std::string& command) const { return {command, "--model_name_or_path", path("model")}; }
    Arguments finetune(const Arguments& more = {}) const {
        return with_model("finetune") + Arguments{"--output_dir",     path("out"), "--train_file", path("train.tsv"),
                                                  "--max_seq_length", "16",        "--max_steps",  "2"} +
               more;
    }
    Arguments split(const Arguments& more = {}) const {
        return with_model("split") +
               Arguments{"--output_dir",  path("out"), "--split_method", "random", "--num_experts", "4",
                         "--expert_size", "16",        "--shared_size",  "8"} +
               more;
    }
    Arguments distill(const Arguments& more = {}) const {
        return with_model("distill") + Arguments{"--output_dir",     path("out"), "--train_file",   path("train.tsv"),
                                                 "--max_seq_length", "16",        "--max_steps",    "2",
                                                 "--num_experts",    "4",         "--expert_size",  "16",
                                                 "--shared_size",    "8",         "--split_method", "random"} +
               more;
    }
    Arguments importance(const Arguments& more = {}) const {
        return with_model("importance") +
               Arguments{"--output_dir", path("out"), "--train_file", path("train.tsv"), "--max_seq_length", "16"} +
               more;
    }
    Arguments evaluate(const Arguments& more = {}) const {
        return with_model("evaluate") +
               Arguments{"--validation_file", path("dev.tsv"), "--max_seq_length", "16", "--output_dir", path("out")} +
               more;
    }
    Arguments predict(const Arguments& more = {}) const {
        return with_model("predict") + Arguments{"--max_seq_length", "16", "--output_file", path("out.jsonl")} + more;
    }
    Arguments hash_balance(const Arguments& more = {}) const {
        return with_model("hash-balance") +
               Arguments{"--output_dir", path("out"), "--train_file", path("train.tsv"), "--max_seq_length", "16"} +
               more;
    }

    // Every command that reads the model.
    std::vector<std::pair<Arguments, std::string>> all_commands() const {
        return {{finetune(), ""},
                {split(), ""},
                {distill(), ""},
                {importance(), ""},
                {evaluate(), ""},
                {predict(), "w1\n"},
                {{"inspect", path("model")}, ""}};
    }
    void refuse_model(int code, const std::vector<std::string>& parts) const {
        for (const auto& [command, input] : all_commands()) {
            SCOPED_TRACE(command.front());
            refuse(code, command, parts, input);
        }
    }
    void change_config(const std::string& key, const nlohmann::json& value) const {
        auto config = read_json("model/config.json");
        config[key] = value;
        put("model/config.json", config.dump());
    }
    void cut(const std::string& name, std::size_t bytes) const { put(name, slurp(folder / name).substr(0, bytes)); }
};

}  // namespace moebert::test
