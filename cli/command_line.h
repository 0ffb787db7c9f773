// Binds option structs (core/options.h) to one subcommand of CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/options.h"
#include "core/sink.h"

namespace moebert::cli {

// The visitor that makes a CLI11 option of every field.
class CommandLine {
public:
    CommandLine(CLI::App& app, std::string group) : app_(app), group_(std::move(group)) {}

    void operator()(const char* name, bool& value, const char* help, Aliases aliases = {}) {
        finish(app_.add_flag(names(name, aliases), value, help));
    }
    template <class T>
    void operator()(const char* name, T& value, const char* help, Aliases aliases = {}) {
        finish(app_.add_option(names(name, aliases), value, help))->capture_default_str();
    }

private:
    static std::string names(const char* name, Aliases aliases) {
        std::string all = std::string("--") + name;
        for (const char* alias : aliases) all += std::string(",--") + alias;
        return all;
    }
    CLI::Option* finish(CLI::Option* option) {
        return option->group(group_)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }

    CLI::App& app_;
    std::string group_;
};

// The options of `struct_` under a heading of --help.
template <class Options>
void bind(CLI::App& app, const std::string& heading, Options& options) {
    CommandLine visitor(app, heading);
    describe(visitor, options);
}

// Options accepted so that a command line written for another subcommand or tool runs as it is. They are not in --help,
// and warn() names those that were given.
class Ignored {
public:
    template <class Options>
    void bind(CLI::App& app, Options& options) {
        Visitor visitor{*this, app};
        describe(visitor, options);
    }
    // Those of an option struct that `app` has already, but can't use.
    void hide(CLI::App& app, std::initializer_list<const char*> names);
    void warn(const CLI::App& app, const Sink& sink) const;

private:
    struct Visitor {
        Ignored& self;
        CLI::App& app;
        template <class T>
        void operator()(const char* name, T& value, const char* help, Aliases aliases = {}) {
            if (app.get_option_no_throw(std::string("--") + name)) return;  // the subcommand has a use for it
            CommandLine(app, "")(name, value, help, aliases);
            self.names_.emplace_back(name);
        }
    };
    std::vector<std::string> names_;
};

// Arguments as CLI11 gets them: names with underscores, `--flag True` joined, `--config FILE` replaced by the file's
// options. Throws a UsageError for an option that `app` doesn't know, with the nearest one it does.
std::vector<std::string> prepare_arguments(const CLI::App& app, const std::vector<std::string>& arguments);

// A UsageError for no output folder, the one that is read from, or without `overwrite` one that is not empty.
void check_output_dir(const std::string& output_dir, const std::string& source, bool overwrite);

// A subcommand's result: one line of JSON on standard output.
void print_result(const nlohmann::json& result);

}  // namespace moebert::cli
