#include "command_line.h"

#include <algorithm>
#include <iostream>

#include "core/json_text.h"
#include "core/nearest.h"
#include "io/file.h"
#include "recipe.h"

namespace moebert::cli {
namespace {

std::string nearest_option(const CLI::App& app, const std::string& name) {
    std::vector<std::string> known;
    for (const auto* option : app.get_options()) {
        if (option->get_group().empty()) continue;  // it has no meaning here
        const auto& names = option->get_lnames();
        known.insert(known.end(), names.begin(), names.end());
    }
    return nearest_name(name, known);
}

// Another subcommand that has a use for the option; empty: none has.
std::string other_subcommand(const CLI::App& app, const std::string& name) {
    if (!app.get_parent()) return "";
    for (const auto* other : app.get_parent()->get_subcommands([](const CLI::App*) { return true; })) {
        const auto* option = other->get_option_no_throw("--" + name);
        if (option && !option->get_group().empty()) return other->get_name();
    }
    return "";
}

void check_known(const CLI::App& app, const std::string& name, const std::string& where) {
    if (app.get_option_no_throw("--" + name)) return;
    if (const auto other = other_subcommand(app, name); !other.empty())
        fail_usage("{}--{}: no such option of `moebert {}`; `moebert {}` has it", where, name, app.get_name(), other);
    const auto nearest = nearest_option(app, name);
    const auto advice = nearest.empty() ? fmt::format("`moebert {} --help` lists them", app.get_name())
                                        : fmt::format("the nearest is --{}", nearest);
    fail_usage("{}--{}: no such option of `moebert {}`; {}", where, name, app.get_name(), advice);
}

// "--learning-rate=1" -> "--learning_rate=1"
std::string with_underscores(std::string argument) {
    const auto end = std::min(argument.find('='), argument.size());
    std::replace(argument.begin() + 2, argument.begin() + static_cast<std::ptrdiff_t>(end), '-', '_');
    return argument;
}

bool is_option(const std::string& argument) { return argument.size() > 2 && argument.starts_with("--"); }

bool is_boolean(const std::string& word) {
    return word == "True" || word == "False" || word == "true" || word == "false";
}

// To which "True" is a text like another.
bool takes_text(const CLI::App& app, const std::string& name) {
    const auto* option = app.get_option_no_throw("--" + name);
    return option && option->get_items_expected_max() > 0;
}

std::string lower(std::string word) {
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
    return word;
}

std::vector<std::string> read_config(const CLI::App& app, const std::string& file) {
    if (file.ends_with(".yaml") || file.ends_with(".yml"))
        fail_usage("--config: {}: expected a file of JSON or TOML", file);
    std::vector<std::string> arguments;
    std::set<const CLI::Option*> seen;
    for (const auto& item : read_recipe(file)) {
        const auto argument = with_underscores("--" + item.name + "=" + item.value);
        const auto name = argument.substr(2, argument.find('=') - 2);
        if (name == "config") throw InputError(file, name, "a recipe can't name another one");
        check_known(app, name, file + ": ");
        if (!seen.insert(app.get_option_no_throw("--" + name)).second)
            throw InputError(file, name, "the option is given twice");
        arguments.push_back(argument);
    }
    return arguments;
}

}  // namespace

std::vector<std::string> prepare_arguments(const CLI::App& app, const std::vector<std::string>& arguments) {
    std::vector<std::string> from_file, given;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        auto argument = arguments[i];
        if (!is_option(argument)) {
            given.push_back(argument);
            continue;
        }
        argument = with_underscores(argument);
        const auto name = argument.substr(2, argument.find('=') - 2);
        const bool has_value = argument.find('=') != std::string::npos;
        if (name == "config") {
            if (!has_value && i + 1 == arguments.size()) fail_usage("--config: a file is needed");
            if (!from_file.empty()) fail_usage("--config: given twice; one file is read");
            from_file = read_config(app, has_value ? argument.substr(9) : arguments[++i]);
            continue;
        }
        if (!app.get_allow_extras()) check_known(app, name, "");
        if (!has_value && i + 1 < arguments.size() && is_boolean(arguments[i + 1]) && !takes_text(app, name))
            argument += "=" + lower(arguments[++i]);
        given.push_back(argument);
    }
    from_file.insert(from_file.end(), given.begin(), given.end());  // the command line comes last and wins
    std::vector<std::string> all;
    for (auto& argument : from_file) {
        const bool is_empty = is_option(argument) && argument.find('=') == argument.size() - 1;
        const auto name = is_empty ? argument.substr(2, argument.size() - 3) : "";
        if (!is_empty || !takes_text(app, name)) {
            all.push_back(std::move(argument));
            continue;
        }
        if (app.get_option("--" + name)->get_type_name() != "TEXT") fail_usage("{}: '' given; a value is needed", name);
        all.push_back("--" + name);  // CLI11 would take the next argument for the value
        all.emplace_back();
    }
    return all;
}

void check_output_dir(const std::string& output_dir, const std::string& source, bool overwrite) {
    if (output_dir.empty()) fail_usage("--output_dir is needed");
    std::error_code none;
    if (std::filesystem::equivalent(source, output_dir, none))
        fail_usage("{}: the output folder must be another one than the model's", output_dir);
    if (!overwrite && is_occupied(output_dir))
        fail_usage("{}: the folder is not empty; give --overwrite_output_dir to write into it", output_dir);
    check_can_write_into(output_dir);
}

void print_result(const nlohmann::json& result) { std::cout << json_text(result) << '\n'; }

void Ignored::hide(CLI::App& app, std::initializer_list<const char*> names) {
    for (const auto* name : names) {
        app.get_option(std::string("--") + name)->group("");
        names_.emplace_back(name);
    }
}

void Ignored::warn(const CLI::App& app, const Sink& sink) const {
    for (const auto& name : names_)
        if (app.get_option("--" + name)->count() > 0)
            sink.warning("--{} means nothing to `moebert {}`: ignored", name, app.get_name());
}

}  // namespace moebert::cli
