// config.json of a BERT checkpoint, dense or mixture of experts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moebert {

enum class ProblemType { classification, regression, question_answering };

// How a token (or sentence) finds its expert; names as the command line and config.json spell them.
enum class RouteMethod { hash_random, hash_balance, gate_token, gate_sentence };

std::string to_string(RouteMethod method);                // "hash-random"
RouteMethod parse_route_method(const std::string& name);  // throws a UsageError naming the four
bool is_gated(RouteMethod method);

struct MoeConfig {
    static constexpr std::int64_t kMostExperts = 512;

    std::int64_t num_experts = 4;
    std::int64_t expert_size = 768;  // D, the width of one expert
    std::int64_t shared_size = 512;  // s, the most important neurons, which every expert has
    RouteMethod route_method = RouteMethod::hash_random;
    double expert_dropout = 0.1;
};

struct ModelConfig {
    std::int64_t vocab_size = 30522;
    std::int64_t hidden_size = 768;
    std::int64_t num_hidden_layers = 12;
    std::int64_t num_attention_heads = 12;
    std::int64_t intermediate_size = 3072;
    std::int64_t max_position_embeddings = 512;
    std::int64_t type_vocab_size = 2;
    std::int64_t pad_token_id = 0;
    std::string hidden_act = "gelu";
    double layer_norm_eps = 1e-12;
    double hidden_dropout_prob = 0.1;
    double attention_probs_dropout_prob = 0.1;
    std::optional<double> classifier_dropout;  // before a classifier; absent: hidden_dropout_prob
    double initializer_range = 0.02;

    ProblemType problem_type = ProblemType::classification;
    std::vector<std::string> label_names;  // in the order of the logits; one name for regression
    bool version_2_with_negative = false;  // question answering: trained on questions that may have no answer
    std::optional<MoeConfig> moe;          // absent: a dense model

    std::string other_task;             // a head that isn't supported ("BertForTokenClassification"); its encoder is
    std::vector<std::string> warnings;  // where config.json contradicts itself: what counts

    nlohmann::json extra = nlohmann::json::object();  // keys this project does not know, written back as they came

    std::int64_t num_labels() const { return static_cast<std::int64_t>(label_names.size()); }
    std::int64_t head_size() const { return hidden_size / num_attention_heads; }
};

// Reads and checks config.json; `file` is named in errors. A model_type other than bert and moebert (a mixture of
// experts) is refused by name.
ModelConfig read_model_config(const std::filesystem::path& file);
ModelConfig parse_model_config(std::string_view text, const std::filesystem::path& file);
nlohmann::json to_json(const ModelConfig& config);

}  // namespace moebert
