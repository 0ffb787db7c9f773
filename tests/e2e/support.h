// What the tests of the program share: running it, tiny models and data, and what must hold after a failure.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "core/random.h"
#include "io/checkpoint.h"
#include "io/support.h"

namespace moebert::test {

using Arguments = std::vector<std::string>;

struct Outcome {
    int code = -1;
    std::string out, err;

    nlohmann::json json() const { return nlohmann::json::parse(out); }
};

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

inline std::vector<nlohmann::json> json_lines(const std::string& text) {
    std::vector<nlohmann::json> values;
    for (const auto& line : lines_of(text)) values.push_back(nlohmann::json::parse(line));
    return values;
}

inline Arguments operator+(Arguments a, const Arguments& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

class Program : public InFolder {
protected:
    std::string path(const std::string& name) const { return (folder / name).string(); }

    // `prefix` is shell text before the program, such as a limit.
    Outcome run(const Arguments& arguments, const std::string& input = "", const std::string& prefix = "",
                const std::string& output = "") const {
        const auto hidden = folder.string() + ".io";
        std::filesystem::create_directories(hidden);
        std::ofstream(hidden + "/in", std::ios::binary) << input;
        // Waiting threads sleep: tests run side by side.
        auto command =
            fmt::format("{}export OMP_WAIT_POLICY=passive; exec {} {}", prefix, launcher, quoted(MOEBERT_PROGRAM));
        for (const auto& argument : arguments) command += fmt::format(" {}", quoted(argument));
        const auto out = output.empty() ? hidden + "/out" : output;
        command += fmt::format(" < {} > {} 2> {}", quoted(hidden + "/in"), quoted(out), quoted(hidden + "/err"));
        const int status = std::system(command.c_str());
        Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                        output.empty() ? slurp(out) : "", slurp(hidden + "/err")};
        std::filesystem::remove_all(hidden);
        return outcome;
    }

    Outcome succeed(const Arguments& arguments, const std::string& input = "") const {
        auto outcome = run(arguments, input);
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        return outcome;
    }

    // The command must end with this exit code and one line of error, the last, that holds all the parts; and leave
    // every file as it was.
    Outcome refuse(int code, const Arguments& arguments, const std::vector<std::string>& parts,
                   const std::string& input = "", const std::string& prefix = "") const {
        const auto before = snapshot();
        const auto outcome = run(arguments, input, prefix);
        EXPECT_EQ(outcome.code, code) << outcome.err;
        EXPECT_EQ(outcome.out, "");
        EXPECT_EQ(errors(outcome).size(), 1U) << outcome.err;
        const auto lines = lines_of(outcome.err);
        const auto last = lines.empty() ? "" : lines.back();
        EXPECT_TRUE(last.starts_with("moebert: ")) << outcome.err;
        for (const auto& part : parts) EXPECT_PRED2(contains, last, part);
        EXPECT_EQ(snapshot(), before);
        return outcome;
    }

    static std::vector<std::string> errors(const Outcome& outcome) {
        std::vector<std::string> found;
        for (const auto& line : lines_of(outcome.err))
            if (line.starts_with("moebert: ")) found.push_back(line);
        return found;
    }

    // All but the one of slow matrix products, which a busy machine has.
    static std::vector<std::string> warnings(const Outcome& outcome) {
        std::vector<std::string> found;
        for (const auto& line : lines_of(outcome.err))
            if (line.starts_with("warning: ") && !contains(line, "GFLOP/s")) found.push_back(line);
        return found;
    }

    // Every file and folder with its content.
    std::map<std::string, std::string> snapshot() const {
        std::map<std::string, std::string> files;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
            files[entry.path().string()] = entry.is_regular_file() ? slurp(entry.path()) : "";
        return files;
    }

    std::string launcher;  // a command that starts the program, as shell text

    nlohmann::json read_json(const std::string& name) const { return nlohmann::json::parse(slurp(folder / name)); }

    bool exists(const std::string& name) const { return std::filesystem::exists(folder / name); }

    // [PAD] [UNK] [CLS] [SEP] [MASK] w0 w1 ...: as many tokens as the model has.
    static std::string vocabulary(std::int64_t size = 97) {
        std::string text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
        for (std::int64_t i = 0; i < size - 5; ++i) text += fmt::format("w{}\n", i);
        return text;
    }

    // The dense model of a fixture with a vocabulary: L 3, H 32, I 64, V 97, P 40. "cls3" has the classes 0, 1 and 2,
    // "reg" predicts a number.
    std::string put_model(const std::string& fixture = "cls3", const std::string& name = "model") const {
        std::filesystem::copy(fixtures / fixture / "dense", folder / name);
        put(name + "/vocab.txt", vocabulary());
        return path(name);
    }

    // Random weights of any shape.
    std::string put_random_model(const ModelConfig& config, const std::string& name = "model") const {
        RandomEngine engine(1);
        TensorMap tensors;
        for (const auto& spec : tensor_table(config)) {
            std::vector<float> values(static_cast<std::size_t>(element_count(spec.shape)));
            const bool norm = spec.name.ends_with("LayerNorm.weight");
            for (auto& value : values) value = static_cast<float>(norm ? 1.0 : 0.2 * (uniform_real(engine) - 0.5));
            tensors[spec.name] = Tensor::from<float>(spec.shape, values);
        }
        save_checkpoint(folder / name, config, tensors);
        put(name + "/vocab.txt", vocabulary(config.vocab_size));
        return path(name);
    }

    // Sentences whose first word is of the class: they can be learnt. `text` makes the label of number i.
    template <class Label>
    std::string put_data(const std::string& name, int rows, Label label, char separator = '\t') const {
        std::string text = fmt::format("sentence1{}label\n", separator);
        for (int i = 0; i < rows; ++i) {
            text += fmt::format("w{}", i % 3);
            for (int j = 0; j < 1 + i % 7; ++j) text += fmt::format(" w{}", 3 + (5 * i + 11 * j) % 80);
            text += fmt::format("{}{}\n", separator, label(i));
        }
        return put(name, text).string();
    }
    std::string put_classes(const std::string& name, int rows = 24) const {
        return put_data(name, rows, [](int i) { return std::to_string(i % 3); });
    }

private:
    static std::string quoted(const std::string& text) {
        std::string out;
        for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
        return fmt::format("'{}'", out);
    }
};

}  // namespace moebert::test
