#include <fmt/format.h>

#include <iostream>
#include <utility>

#include "command_line.h"
#include "commands.h"
#include "engine/bench.h"

namespace moebert::cli {

namespace {

void print_heading() {
    std::cout << fmt::format("{:<20} {:<14} {:<5} {:>3} {:<14} {:>10} {:>10} {:>9} {:>8} {:>8}\n", "model", "variant",
                             "prec", "thr", "workload", "tokens/s", "best", "ms", "of GEMM", "speedup");
}

void print_row(const nlohmann::json& r) {
    const auto speedup = r.contains("speedup") ? fmt::format("{:.2f}", r["speedup"].get<double>()) : "";
    std::cout << fmt::format("{:<20} {:<14} {:<5} {:>3} {:<14} {:>10.0f} {:>10.0f} {:>9.2f} {:>7.0f}% {:>8}\n",
                             r["model"].get<std::string>(), r["variant"].get<std::string>(),
                             r["precision"].get<std::string>(), r["threads"].get<int>(),
                             r["workload"].get<std::string>(), r["real_tokens_per_s"]["median"].get<double>(),
                             r["real_tokens_per_s"]["best"].get<double>(), r["latency_ms"]["median"].get<double>(),
                             100.0 * r["share_of_ceiling"].get<double>(), speedup);
    std::string parts;
    for (const auto& [name, part] : r["parts"].items())
        parts += fmt::format("  {} {:.1f}%", name, 100.0 * part["share"].get<double>());
    std::cout << parts << '\n' << std::flush;
}

}  // namespace

void add_bench(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand(
        "bench", "Time a checkpoint, dense or mixture of experts, on text and on sentences of fixed length");
    struct Options {
        BenchOptions bench;
        bool json = false;
    };
    auto o = std::make_shared<Options>();
    command->add_option("--model_name_or_path", o->bench.model_name_or_path, "checkpoint directory")->required();
    command
        ->add_option("--text", o->bench.text,
                     "for ragged: .tsv files with sentence columns, or plain text, a line each")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command->add_flag("--json", o->json, "print a JSON object for each workload instead of a table");
    bind(*command, "Measurement", o->bench);
    command->callback([o, &session] {
        bool has_heading = o->json;
        run_bench(
            o->bench,
            [&](const nlohmann::json& result) {
                if (!std::exchange(has_heading, true)) print_heading();
                o->json ? print_result(result) : print_row(result);
            },
            session.sink);
        if (!o->json)
            std::cout << "tokens/s: median, real tokens; ms: median, a batch; of GEMM: of what the matrix products "
                         "alone reach; below each row the threads' time by part\n";
    });
}

}  // namespace moebert::cli
