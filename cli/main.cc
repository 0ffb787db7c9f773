// moebert: one program, a subcommand for each step from a fine-tuned BERT to a served mixture of experts.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <new>

#include "command_line.h"
#include "commands.h"
#include "core/interrupt.h"
#include "core/nearest.h"
#include "core/temporaries.h"
#include "engine/limits.h"
#include "hand_over.h"
#include "io/json.h"
#include "launch.h"
#include "terminal.h"

namespace {

using namespace moebert;
using namespace moebert::cli;

std::string quoted(const std::string& argument) {
    const bool plain = !argument.empty() && argument.find_first_of(" \t\n'\"\\$`*?&|;<>()") == std::string::npos;
    if (plain) return argument;
    std::string text = "'";
    for (const char c : argument) text += c == '\'' ? "'\\''" : std::string(1, c);
    return text + "'";
}

// "moebert finetune ...": without the folder the program lies in.
std::string command_text(const std::vector<std::string>& arguments) {
    std::string text = "moebert";
    for (const auto& argument : arguments) text += " " + quoted(argument);
    return text;
}

void add_commands(CLI::App& app, const Session& session) {
    add_finetune(app, session);
    add_importance(app, session);
    add_merge_importance(app, session);
    add_hash_balance(app, session);
    add_split(app, session);
    add_distill(app, session);
    add_evaluate(app, session);
    add_predict(app, session);
    add_convert(app, session);
    add_bench(app, session);
    add_inspect(app, session);
    add_tokenize(app, session);
    for (auto* command : app.get_subcommands({}))
        command->add_option("--config", "options from a file, JSON or TOML; the command line overrides it");
}

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(command->get_name());
    return names;
}

bool has_command(const CLI::App& app, const std::vector<std::string>& arguments) {
    const auto names = command_names(app);
    return !arguments.empty() && std::ranges::find(names, arguments.front()) != names.end();
}

void check_command(const CLI::App& app, const std::string& name) {
    const auto names = command_names(app);
    if (std::ranges::find(names, name) != names.end()) return;
    const auto nearest = nearest_name(name, names);
    fail_usage("{}: no such subcommand; {}", name,
               nearest.empty() ? fmt::format("expected one of {}", fmt::join(names, ", "))
                               : fmt::format("the nearest is {}", nearest));
}

// Several processes would each do the whole of another subcommand, and write the same files.
void check_shared(const std::string& name, int processes) {
    constexpr std::string_view kShared[] = {"finetune", "importance", "distill", "evaluate", "predict"};
    if (name.starts_with('-') || std::ranges::find(kShared, name) != std::end(kShared)) return;
    fail_usage("{}: a job of one process, started in {}; several share {}", name, processes, fmt::join(kShared, ", "));
}

// CLI11 says "Could not convert: --learning_rate = abc"; the option's type says what was expected.
[[noreturn]] void fail_conversion(const CLI::App& app, const std::string& problem) {
    const auto name = problem.find("--"), equals = problem.find(" = ");
    if (name == std::string::npos || equals == std::string::npos || equals < name) fail_usage("{}", problem);
    std::string expected = "another value", value = problem.substr(equals + 3);
    for (const auto* command : app.get_subcommands())
        if (const auto* option = command->get_option_no_throw(problem.substr(name, equals - name))) {
            const auto type = option->get_items_expected_max() == 0 ? "BOOLEAN" : option->get_type_name();
            expected = type == "INT"       ? "a whole number"
                       : type == "FLOAT"   ? "a number"
                       : type == "BOOLEAN" ? "true or false"
                                           : expected;
            if (!option->results().empty()) value = option->results().back();  // the last one counts
        }
    fail_usage("{}: '{}' given; expected {}", problem.substr(name + 2, equals - name - 2), value, expected);
}

void run(const std::vector<std::string>& arguments) {
    CLI::App app("Turns a fine-tuned BERT into a distilled mixture of experts.", "moebert");
    app.require_subcommand(1);
    app.set_version_flag("--version", MOEBERT_VERSION);
    std::string nproc;  // main() takes it out before
    app.add_option("--nproc", nproc, "so many processes on this machine do the job together: --nproc 2 distill ...");
    app.failure_message(CLI::FailureMessage::simple);
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // the command line after a recipe
    const auto world = read_world();
    const Session session{world.is_first() ? terminal_sink() : Sink{}, command_text(arguments), world};
    add_commands(app, session);
    if (world.size > 1 && !arguments.empty()) check_shared(arguments.front(), world.size);
    if (world.size > 1 || !has_command(app, arguments)) hand_over(arguments);
    if (!arguments.empty() && !arguments.front().starts_with('-')) check_command(app, arguments.front());
    auto prepared = arguments;
    for (const auto* command : app.get_subcommands(
             [&](const CLI::App* c) { return !arguments.empty() && c->get_name() == arguments.front(); })) {
        try {
            prepared = prepare_arguments(*command, {arguments.begin() + 1, arguments.end()});
        } catch (const UsageError&) {
            hand_over(arguments);  // it knows every subcommand's options, and which is meant
            throw;
        }
        prepared.insert(prepared.begin(), arguments.front());
    }
    std::reverse(prepared.begin(), prepared.end());  // CLI11 takes them from the end
    try {
        app.parse(prepared);
    } catch (const CLI::Success& request) {  // --help, --version
        app.exit(request, std::cout, std::cout);
    } catch (const CLI::ConversionError& error) {
        fail_conversion(app, error.what());
    } catch (const CLI::ParseError& error) {
        fail_usage("{}", error.what());
    }
}

int report(const std::string& text, int code) {
    const auto message = printable(text.substr(0, text.find('\n')), kMostOfAMessage);  // libtorch adds a stack trace
    if (!report_to_launcher(message)) put_on_standard_error(fmt::format("moebert: {}\n", message));
    return code;
}

// `--nproc N` out of the arguments, which loses it; 1 without.
int take_processes(std::vector<std::string>& arguments) {
    constexpr int kMost = 1024;
    const auto given = std::find_if(arguments.begin(), arguments.end(), [](const std::string& argument) {
        return argument == "--nproc" || argument.starts_with("--nproc=");
    });
    if (given == arguments.end()) return 1;
    const bool joined = given->size() > 7;
    if (!joined && given + 1 == arguments.end()) fail_usage("--nproc: a number is needed after it");
    const auto text = joined ? given->substr(8) : *(given + 1);
    int processes = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, processes);
    if (error != std::errc{} || rest != end || processes < 1 || processes > kMost)
        fail_usage("--nproc: '{}' given; expected a number from 1 to {}", text, kMost);
    arguments.erase(given, given + (joined ? 1 : 2));
    if (processes > 1 && read_world().size > 1)
        fail_usage("--nproc {}: a launcher started this process as one of {} already", processes, read_world().size);
    return processes;
}

}  // namespace

int main(int argc, char** argv) {
    keep_standard_streams();
    remove_temporaries_on_signals();
    try {
        std::vector<std::string> arguments{argv + 1, argv + argc};
        if (!arguments.empty() && arguments.front() == "help") arguments.front() = "--help";
        engine::limit_instruction_set_from_environment();
        const int processes = take_processes(arguments);
        if (processes > 1) return launch(processes, arguments);
        run(arguments);
        if (!std::cout.flush()) return report("standard output: can't be written", 1);
        return 0;
    } catch (const Interrupted& stop) {
        return report(stop.what(), 128 + stop.signal());
    } catch (const UsageError& error) {
        return report(error.what(), 2);
    } catch (const std::bad_alloc&) {
        return report("out of memory", 1);
    } catch (const std::filesystem::filesystem_error& error) {
        return report(fmt::format("{}: {}", error.path1().string(), error.code().message()), 1);
    } catch (const nlohmann::json::exception& error) {
        return report(json_problem(error), 1);
    } catch (const std::exception& error) {
        return report(error.what(), 1);
    }
}
