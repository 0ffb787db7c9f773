#include <fmt/format.h>

#include <iostream>

#include "command_line.h"
#include "commands.h"
#include "core/json_text.h"
#include "engine/prepared.h"
#include "moe/inspect.h"

namespace moebert::cli {

namespace {

bool is_table(const nlohmann::json& value) { return value.is_array() && !value.empty() && value.front().is_object(); }

// One row an object: its values side by side.
void print_table(const std::string& name, const nlohmann::json& rows) {
    std::cout << name << '\n';
    for (std::size_t i = 0; i < rows.size(); ++i) {
        std::string line = fmt::format("  {:<4}", i);
        for (const auto& [key, value] : rows[i].items())
            line += value.is_number_float() ? fmt::format("  {} {:.3f}", key, value.get<double>())
                                            : fmt::format("  {} {}", key, plain_text(value));
        std::cout << line << '\n';
    }
}

void print(const nlohmann::json& object, const std::string& indent) {
    for (const auto& [name, value] : object.items()) {
        if (value.is_object()) {
            std::cout << indent << name << '\n';
            print(value, indent + "  ");
        } else if (is_table(value)) {
            print_table(name, value);
        } else {
            std::cout << fmt::format("{}{:<28} {}\n", indent, name, plain_text(value));
        }
    }
}

}  // namespace

namespace {

// What the engine runs here, whatever the model: for every precision that this processor has.
nlohmann::json processor() {
    nlohmann::json products;
    for (const auto precision : {engine::Precision::fp32, engine::Precision::bf16, engine::Precision::int8})
        if (engine::is_supported(precision)) products[engine::to_string(precision)] = engine::product_target();
    return {{"matrix_products", products}, {"vectors", engine::vector_target()}};
}

nlohmann::json inspect_prepared(const std::string& directory) {
    const auto config = read_model_config(std::filesystem::path(directory) / "config.json");
    nlohmann::json out{{"kind", config.moe ? "prepared mixture of experts" : "prepared dense"},
                       {"path", directory},
                       {"labels", config.label_names}};
    for (const auto& [key, value] : engine::prepared_metadata(directory)) out[key] = value;
    return out;
}

nlohmann::json inspect_any(const std::string& path) {
    if (!std::filesystem::is_directory(path)) return inspect(path);
    auto out = engine::is_prepared(path) ? inspect_prepared(path) : inspect(path);
    out["processor"] = processor();
    return out;
}

}  // namespace

void add_inspect(CLI::App& app, const Session&) {
    auto* command = app.add_subcommand("inspect", "Show what a checkpoint, importance file or hash list holds");
    struct Options {
        std::string path;
        bool json = false;
    };
    auto o = std::make_shared<Options>();
    command->add_option("path", o->path, "checkpoint directory, or .safetensors, .pkl or .bin file")->required();
    command->add_flag("--json", o->json, "print JSON");
    command->callback([o] {
        const auto found = inspect_any(o->path);
        if (o->json)
            print_result(found);
        else
            print(found, "");
    });
}

}  // namespace moebert::cli
