// moebert_bench CASES.json...: runs the cases of data files and prints a JSON line for each.
#include <fmt/format.h>

#include <fstream>
#include <iostream>

#include "cases.h"
#include "core/error.h"
#include "io/file.h"
#include "train/jobs.h"

namespace {

using namespace moebert;

std::filesystem::path data_folder() {
    const char* shared = std::getenv("MOEBERT_SHARED");
    return std::filesystem::path(shared ? shared : "../shared") / "data";
}

void run_file(const std::string& file, const std::string& only) {
    const auto cases = nlohmann::json::parse(read_text(file));
    for (const auto& settings : cases) {
        const std::string name = settings.at("name"), kind = settings.at("kind");
        if (!only.empty() && name.find(only) == std::string::npos) continue;
        auto figures = kind == "importance" ? bench::importance_case(settings, data_folder())
                       : kind == "training"
                           ? bench::training_case(settings, data_folder())
                           : throw InputError(file, name, "kind: '" + kind + "'; expected importance or training");
        nlohmann::json line{{"name", name}};
        line.update(figures);
        std::cout << line.dump() << std::endl;
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 2) fail_usage("usage: moebert_bench CASES.json [ONLY]  (texts are read from $MOEBERT_SHARED/data)");
    Sink sink;
    sink.on_warning = [](std::string_view text) { std::cerr << text << '\n'; };
    prepare_runtime(0, {}, sink);
    run_file(argv[1], argc > 2 ? argv[2] : "");
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "moebert_bench: {}\n", error.what());
    return 1;
}
