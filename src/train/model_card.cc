#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/json_text.h"
#include "io/file.h"
#include "train/job_common.h"

namespace moebert {
namespace {

std::string describe_model(const ModelConfig& c) {
    auto text = fmt::format("BERT with {} layers of hidden size {} and {} attention heads", c.num_hidden_layers,
                            c.hidden_size, c.num_attention_heads);
    if (!c.moe) return text + fmt::format(", feed-forward layers of {} neurons.", c.intermediate_size);
    return text + fmt::format(
                      ". Each feed-forward layer is a mixture of {} experts of {} neurons (of {} in the dense model; "
                      "the {} most "
                      "important ones are in every expert), routed by {}.",
                      c.moe->num_experts, c.moe->expert_size, c.intermediate_size, c.moe->shared_size,
                      to_string(c.moe->route_method));
}

// Of the folder, also where it is given as "out/" or ".".
std::string name_of(const std::filesystem::path& directory) {
    const auto path = std::filesystem::absolute(directory).lexically_normal();
    return (path.has_filename() ? path : path.parent_path()).filename().string();
}

std::string score_table(const nlohmann::json& results) {
    std::string rows;
    for (const auto& [name, value] : results.items())
        if (value.is_number() && (name.starts_with("eval_") || name.starts_with("teacher_")))
            rows += fmt::format("| {} | {} |\n", name, json_text(value));
    return rows.empty() ? "Not evaluated.\n" : "| score | value |\n| --- | --- |\n" + rows;
}

// The experts' shares of each layer's tokens; of many experts the least and the most used one.
std::string load_section(const nlohmann::json& results) {
    constexpr std::size_t kMost = 8;
    if (!results.contains("expert_load")) return "";
    const auto layers = results.at("expert_load").get<std::vector<std::vector<double>>>();
    const bool all = layers.front().size() <= kMost;
    std::string head = "| layer |", rule = "| --- |", rows;
    for (std::size_t e = 0; e < (all ? layers.front().size() : 2); ++e) {
        head += all ? fmt::format(" expert {} |", e) : e == 0 ? " least |" : " most |";
        rule += " ---: |";
    }
    for (std::size_t k = 0; k < layers.size(); ++k) {
        const auto [least, most] = std::ranges::minmax(layers[k]);
        rows += fmt::format("| {} |", k);
        for (const double share : all ? layers[k] : std::vector{least, most}) rows += fmt::format(" {:.3f} |", share);
        rows += '\n';
    }
    return fmt::format("\n## Expert load\n\nEach expert's share of a layer's tokens.\n\n{}\n{}\n{}", head, rule, rows);
}

}  // namespace

void save_model_card(const std::filesystem::path& directory, const ModelConfig& config, const JobContext& job,
                     const nlohmann::json& results) {
    const auto task = job.data.task_name.empty() ? job.data.train_file : job.data.task_name;
    const auto card = fmt::format(
        "---\nlibrary_name: moebert\ntags:\n- bert\n{}---\n\n# {}\n\n{}\n\nTrained on {} from `{}`, on inputs of up to "
        "{} tokens.\n\n## Made by\n\n"
        "```\n{}\n```\n\n## Scores\n\n{}{}",
        config.moe ? "- mixture-of-experts\n" : "", name_of(directory), describe_model(config), task,
        job.model_name_or_path, results.at("max_seq_length").get<std::int64_t>(), job.command, score_table(results),
        load_section(results));
    write_file_atomically(directory / "README.md", card);
}

}  // namespace moebert
