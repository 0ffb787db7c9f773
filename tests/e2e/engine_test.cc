// Precision, preparation and measurement, as a user runs them.
#include "support.h"

namespace moebert {
namespace {

using test::Arguments;
using test::json_lines;
using test::operator+;

class EngineCommands : public test::Program {
protected:
    EngineCommands() { put_model(); }
    Arguments predict(const std::string& model, const Arguments& more = {}) const {
        return Arguments{"predict", "--model_name_or_path", path(model), "--max_seq_length", "16"} + more;
    }
    Arguments convert(const std::string& from, const std::string& to, const Arguments& more = {}) const {
        return Arguments{"convert", "--model_name_or_path", path(from), "--output_dir", path(to)} + more;
    }
    const std::string sentences = "w1 w2\nw3\nw4 w5 w6\n";
};

// What the dynamic loader would load for `moebert`, as it lists it itself.
TEST_F(EngineCommands, InferenceStartsWithoutTheTrainingLibrary) {
    const auto libraries = run({"predict"}, "", "export LD_TRACE_LOADED_OBJECTS=1; ").out;
    EXPECT_NE(libraries.find("libdnnl"), std::string::npos) << libraries;
    EXPECT_EQ(libraries.find("libtorch"), std::string::npos) << libraries;
}

TEST_F(EngineCommands, TheTrainingProgramBelongsBesideThisOne) {
    std::filesystem::copy_file(MOEBERT_PROGRAM, folder / "moebert");
    const auto run_copy = [&](const std::string& arguments) {
        const auto command = fmt::format("'{0}/moebert' {1} > '{0}/out' 2>&1", folder.string(), arguments);
        return WEXITSTATUS(std::system(command.c_str()));
    };
    EXPECT_EQ(run_copy("inspect --help"), 0);
    EXPECT_EQ(run_copy("finetune --help"), 1);
    EXPECT_NE(test::slurp(folder / "out").find("moebert-train: No such file"), std::string::npos);
}

TEST_F(EngineCommands, AModelIsPreparedAndTurnedBack) {
    const auto expected = succeed(predict("model"), sentences).out;
    const auto summary = succeed(convert("model", "prepared", {"--precision", "fp32"})).json();
    EXPECT_EQ(summary.at("precision"), "fp32");
    EXPECT_EQ(succeed(predict("prepared"), sentences).out, expected);
    EXPECT_EQ(succeed(predict("prepared", {"--precision", "auto", "--threads", "2"}), sentences).out, expected);
    const auto found = succeed({"inspect", path("prepared"), "--json"}).json();
    EXPECT_EQ(found.at("kind"), "prepared dense");
    EXPECT_EQ(found.at("precision"), "fp32");
    EXPECT_TRUE(found.at("processor").contains("matrix_products"));
    succeed(convert("prepared", "back", {"--to", "safetensors"}));
    EXPECT_EQ(succeed(predict("back"), sentences).out, expected);
    EXPECT_EQ(succeed({"inspect", path("back"), "--json"}).json().at("digest"),
              succeed({"inspect", path("model"), "--json"}).json().at("digest"));
}

TEST_F(EngineCommands, WhatCantBeConvertedIsRefused) {
    std::filesystem::copy(path("model"), path("full"), std::filesystem::copy_options::recursive);
    refuse(1, convert("model", "full", {"--overwrite_output_dir", "--precision", "fp32"}),
           {"full: has model.safetensors, which would be read instead"});
    succeed(convert("model", "prepared", {"--precision", "fp32"}));
    refuse(2, convert("model", "prepared"), {"prepared", "not empty"});
    refuse(2, convert("model", "model", {"--overwrite_output_dir"}), {"another one"});
    refuse(2, convert("prepared", "other"), {"is prepared already"});
    refuse(2, convert("model", "other", {"--to", "safetensors"}), {"is a checkpoint already"});
    refuse(2, convert("model", "other", {"--to", "onnx"}), {"onnx", "prepared or safetensors"});
    refuse(2, convert("model", "other", {"--precision", "fp64"}), {"fp64", "int8"});
    refuse(1, convert("nothing", "other"), {"nothing"});
    refuse(2, predict("prepared", {"--precision", "int8"}), {"prepared for fp32"}, sentences);
    auto bytes = test::slurp(folder / "prepared/prepared.safetensors");
    bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] + 1);
    put("prepared/prepared.safetensors", bytes);
    refuse(1, predict("prepared"), {"prepared.safetensors", "digest"}, sentences);
    put("prepared/prepared.safetensors", bytes.substr(0, bytes.size() / 2));
    refuse(1, predict("prepared"), {"prepared.safetensors"}, sentences);
}

TEST_F(EngineCommands, BenchRefusesWhatAModelHasNoPlaceFor) {
    const Arguments bench{"bench", "--model_name_or_path", path("model"), "--reps", "1", "--threads", "1"};
    refuse(2, bench + Arguments{"--workload", "fixed"}, {"workload fixed: the model has 40 positions"});
    refuse(2, bench + Arguments{"--workload", "latency41"}, {"workload latency41: the model has 40 positions"});
    auto small = load_checkpoint(folder / "model");
    small.config.vocab_size = 50;
    small.config.max_position_embeddings = 20;
    save_checkpoint(folder / "small", small.config, [&] {
        auto tensors = small.tensors;
        for (const auto& [name, rows] : {std::pair{"word", 50}, {"position", 20}}) {
            auto& tensor = tensors.at(fmt::format("bert.embeddings.{}_embeddings.weight", name));
            const auto values = tensor.as<float>().first(static_cast<std::size_t>(rows * 32));
            tensor = Tensor::from<float>({rows, 32}, {values.begin(), values.end()});
        }
        return tensors;
    }());
    refuse(2, bench + Arguments{"--workload", "latency21", "--baseline", path("small")},
           {"workload latency21: the model has 20 positions"});
    succeed(bench + Arguments{"--workload", "latency20", "--baseline", path("small"), "--json"});
    put("plain.txt", "w1 w60\n");
    refuse(1, bench + Arguments{"--workload", "ragged", "--text", path("plain.txt"), "--baseline", path("small")},
           {"text 1: has the token \"w60\" of id 65; the model has embeddings of 50"});
}

TEST_F(EngineCommands, BenchMeasuresEveryWorkload) {
    std::filesystem::create_directories(folder / "SST");
    put("SST/dev.tsv", "sentence\tlabel\nw1 w2 w3\t0\nw4\t1\nw5 w6\t0\n");
    put("plain.txt", "w1 w2\n\nw3 w4 w5\n");
    const Arguments bench{"bench",
                          "--model_name_or_path",
                          path("model"),
                          "--json",
                          "--reps",
                          "2",
                          "--precision",
                          "fp32",
                          "--threads",
                          "2",
                          "--max_seq_length",
                          "16",
                          "--text",
                          path("SST/dev.tsv"),
                          path("plain.txt")};
    const auto rows =
        json_lines(succeed(bench + Arguments{"--workload", "ragged,latency8", "--baseline", path("model")}).out);
    ASSERT_EQ(rows.size(), 6U);
    EXPECT_EQ(rows[0].at("workload"), "ragged-SST");
    EXPECT_EQ(rows[0].at("real_tokens"), 3 * 2 + 6);
    EXPECT_EQ(rows[2].at("real_tokens"), 2 * 2 + 5);
    EXPECT_EQ(rows[5].at("workload"), "latency8");
    for (const auto& row : rows) {
        EXPECT_EQ(row.at("threads"), 2);
        EXPECT_EQ(row.at("model"), "model");
        EXPECT_EQ(row.at("precision"), "fp32");
        EXPECT_EQ(row.at("max_logit_error"), 0.0);
        EXPECT_GT(row.at("real_tokens_per_s").at("best").get<double>(), 0.0);
        EXPECT_GE(row.at("latency_ms").at("median").get<double>(), row.at("latency_ms").at("best").get<double>());
        EXPECT_GT(row.at("share_of_ceiling").get<double>(), 0.0);
        EXPECT_GT(row.at("speedup").get<double>(), 0.0);
        double shares = 0.0;
        for (const auto& [name, part] : row.at("parts").items()) shares += part.at("share").get<double>();
        EXPECT_GT(shares, 0.0);
        EXPECT_LE(shares, 1.01);
    }
    refuse(2, bench + Arguments{"--workload", "quick"}, {"quick", "latencyN"});
    refuse(2, bench + Arguments{"--workload", "latency1000"}, {"latency1000", "positions"});
    refuse(2, bench + Arguments{"--workload", "latency99999999999999999999"}, {"latency99999999999999999999"});
    refuse(2, bench + Arguments{"--workload", "latency8", "--reps", "0"}, {"repetitions", "0"});
    put("empty.tsv", "sentence\n");
    put("one.txt", "w1 w2\n");
    const Arguments ragged{"bench", "--model_name_or_path", path("model"), "--workload", "ragged", "--text"};
    refuse(1, ragged + Arguments{path("empty.tsv")}, {"empty.tsv", "has no text"});
    refuse(2, ragged + Arguments{path("one.txt"), "--every", "3"}, {"every: 3 given", "one.txt has 1 batches"});
    refuse(1, {"bench", "--model_name_or_path", path("model"), "--text", path("none.tsv"), "--workload", "ragged"},
           {"none.tsv"});
}

}  // namespace
}  // namespace moebert
