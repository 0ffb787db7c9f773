#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
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

// A table's cell holds no line ends, and a bar only escaped.
std::string cell(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '|' ? "\\|" : c == '\n' || c == '\r' ? " " : std::string(1, c);
    return out;
}

std::string option_section(const nlohmann::json& options) {
    std::string rows;
    for (const auto& [name, value] : options.items())
        if (!value.is_null() && value != "") rows += fmt::format("| {} | {} |\n", name, cell(plain_text(value)));
    return fmt::format("\n## Hyperparameters\n\n| option | value |\n| --- | --- |\n{}", rows);
}

// A fence longer than any run of backticks in the text.
std::string fenced(const std::string& text) {
    std::string fence = "```";
    while (text.find(fence) != std::string::npos) fence += '`';
    return fmt::format("{}\n{}\n{}", fence, text, fence);
}

// A double-quoted string of JSON is one of YAML too.
std::string quote(const std::string& text) { return json_text(nlohmann::json(text)); }

// YAML 1.1 takes 1e-05 for a text, and 1.0e-05 for a number.
std::string yaml_number(const nlohmann::json& value) {
    auto text = json_text(value);
    const auto exponent = text.find('e');
    if (exponent != std::string::npos && text.find('.') == std::string::npos) text.insert(exponent, ".0");
    return text;
}

// What the Hub calls a metric; empty for what it has no name for.
std::string hub_metric(std::string name) {
    static const std::map<std::string, std::string> names = {{"accuracy", "accuracy"},
                                                             {"f1", "f1"},
                                                             {"f1_macro", "f1"},
                                                             {"precision_macro", "precision"},
                                                             {"pearson", "pearsonr"},
                                                             {"mse", "mse"},
                                                             {"spearmanr", "spearmanr"},
                                                             {"recall_macro", "recall"},
                                                             {"exact", "exact_match"},
                                                             {"exact_match", "exact_match"},
                                                             {"matthews_correlation", "matthews_correlation"}};
    const auto found = names.find(name);
    return found == names.end() ? "" : found->second;
}

// The name of a repository on the Hub where the path may be one, else of the folder.
std::string base_model(const std::string& path) {
    const bool is_id = std::ranges::count(path, '/') <= 1 && !path.starts_with('/') && !path.starts_with('.');
    return is_id ? path : name_of(path);
}

std::string dataset_of(const DataOptions& data) {
    if (data.task_name.empty()) return std::filesystem::path(data.train_file).filename().string();
    return is_squad_v2(data.task_name) ? "squad_v2" : is_squad(data.task_name) ? "squad" : "glue";
}

// https://huggingface.co/docs/hub/model-cards#model-card-metadata
std::string metadata(const std::string& name, const ModelConfig& config, const JobContext& job,
                     const nlohmann::json& results) {
    const auto* task =
        config.problem_type == ProblemType::question_answering ? "question-answering" : "text-classification";
    std::set<std::string> metrics;
    std::string values;
    for (const auto& [key, value] : results.items()) {
        const auto metric = key.starts_with("eval_") ? hub_metric(key.substr(5)) : "";
        if (metric.empty() || !value.is_number()) continue;
        metrics.insert(metric);
        values += fmt::format("    - type: {}\n      name: {}\n      value: {}\n", metric, quote(key.substr(5)),
                              yaml_number(value));
    }
    const auto dataset = quote(dataset_of(job.data));
    auto text = fmt::format("library_name: {}\npipeline_tag: {}\nbase_model: {}\ndatasets:\n- {}\ntags:\n- bert\n{}",
                            config.moe ? "moebert" : "transformers", task, quote(base_model(job.model_name_or_path)),
                            dataset, config.moe ? "- mixture-of-experts\n" : "");
    if (metrics.empty()) return text;
    return text + fmt::format(
                      "metrics:\n- {}\nmodel-index:\n- name: {}\n  results:\n  - task:\n      type: {}\n"
                      "    dataset:\n      name: {}\n      type: {}\n    metrics:\n{}",
                      fmt::join(metrics, "\n- "), quote(name), task, dataset, dataset, values);
}

}  // namespace

void save_model_card(const std::filesystem::path& directory, const ModelConfig& config, const JobContext& job,
                     const nlohmann::json& options, const nlohmann::json& results) {
    const auto name = name_of(directory);
    const auto data = job.data.task_name.empty() ? job.data.train_file : job.data.task_name;
    const auto card = fmt::format(
        "---\n{}---\n\n# {}\n\n{}\n\nTrained on {} from `{}`, on inputs of up to {} tokens.\n\n## Made by\n\n{}\n\n"
        "## Scores\n\n{}{}{}",
        metadata(name, config, job, results), name, describe_model(config), data, job.model_name_or_path,
        results.at("max_seq_length").get<std::int64_t>(), fenced(job.command), score_table(results),
        load_section(results), option_section(options));
    write_file_atomically(directory / "README.md", card);
}

}  // namespace moebert
