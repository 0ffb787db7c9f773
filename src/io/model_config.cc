#include "io/model_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "core/error.h"
#include "core/json_text.h"
#include "io/file.h"
#include "io/json.h"

namespace moebert {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::size_t max_config_size = std::size_t{1} << 26;
constexpr std::array<const char*, 4> route_methods = {"hash-random", "hash-balance", "gate-token", "gate-sentence"};

// What Hugging Face's BERT configurations may name.
const std::set<std::string> activations = {
    "gelu", "gelu_python", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_10", "quick_gelu", "relu", "relu6",
    "silu", "swish",       "tanh",     "sigmoid",           "mish",      "linear",  "leaky_relu"};

// Keys that ModelConfig holds in fields of its own, and those that would no longer be true of a file written later.
const std::set<std::string> own_keys = {"architectures",
                                        "attention_probs_dropout_prob",
                                        "classifier_dropout",
                                        "dtype",
                                        "hidden_act",
                                        "hidden_dropout_prob",
                                        "hidden_size",
                                        "id2label",
                                        "initializer_range",
                                        "intermediate_size",
                                        "label2id",
                                        "layer_norm_eps",
                                        "max_position_embeddings",
                                        "model_type",
                                        "moebert",
                                        "num_attention_heads",
                                        "num_hidden_layers",
                                        "num_labels",
                                        "_num_labels",
                                        "pad_token_id",
                                        "problem_type",
                                        "torch_dtype",
                                        "type_vocab_size",
                                        "version_2_with_negative",
                                        "vocab_size"};

// One object of the file: typed, checked access to its members. A null counts as absent, as in Hugging Face's files.
class Object {
public:
    Object(const json& value, const fs::path& file, std::string prefix = "")
        : value_(value), file_(file), prefix_(std::move(prefix)) {}

    // What an error or a warning says of a key.
    std::string place(const std::string& key, const std::string& problem) const {
        return fmt::format("{}: {}{}: {}", file_.string(), prefix_, key, problem);
    }
    [[noreturn]] void refuse(const std::string& key, const std::string& problem) const {
        throw InputError(file_, prefix_ + key, problem);
    }
    [[noreturn]] void refuse(const std::string& key, const std::string& expected, const json& found) const {
        const std::string text = found.dump();
        refuse(key,
               fmt::format("expected {}, found {}", expected, text.size() > 80 ? text.substr(0, 77) + "..." : text));
    }

    const json* find(const std::string& key) const {
        const auto found = value_.find(key);
        return found == value_.end() || found->is_null() ? nullptr : &*found;
    }
    const json& need(const std::string& key) const {
        const json* found = find(key);
        if (found == nullptr) refuse(key, "missing");
        return *found;
    }

    std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high) const {
        const json& value = need(key);
        const bool valid = value.is_number_integer() && value >= low && value <= high;
        if (!valid) refuse(key, fmt::format("an integer from {} to {}", low, high), value);
        return value.get<std::int64_t>();
    }
    std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high, std::int64_t absent) const {
        return find(key) == nullptr ? absent : integer(key, low, high);
    }
    double number(const std::string& key, double low, double high, double absent) const {
        const json* value = find(key);
        if (value == nullptr) return absent;
        const bool valid = value->is_number() && *value >= low && *value < high;
        if (!valid) refuse(key, fmt::format("a number from {} to below {}", low, high), *value);
        return value->get<double>();
    }
    std::string text(const std::string& key, const std::string& absent) const {
        const json* value = find(key);
        if (value == nullptr) return absent;
        if (!value->is_string()) refuse(key, "a string", *value);
        return value->get<std::string>();
    }
    bool is_true(const std::string& key) const {
        const json* value = find(key);
        if (value != nullptr && !value->is_boolean()) refuse(key, "true or false", *value);
        return value != nullptr && value->get<bool>();
    }

    const json& value() const { return value_; }

private:
    const json& value_;
    const fs::path& file_;
    std::string prefix_;
};

std::vector<std::string> architectures(const Object& config) {
    const json* names = config.find("architectures");
    if (names == nullptr) return {};
    const bool valid =
        names->is_array() && std::all_of(names->begin(), names->end(), [](auto& n) { return n.is_string(); });
    if (!valid) config.refuse("architectures", "a list of strings", *names);
    return names->get<std::vector<std::string>>();
}

bool any_ends_with(const std::vector<std::string>& names, const char* ending) {
    return std::any_of(names.begin(), names.end(),
                       [ending](const std::string& name) { return name.ends_with(ending); });
}

// The first files had neither model_type nor architectures; these keys together are BERT's.
bool has_keys_of_2018(const Object& config) {
    const auto has = [&](const char* key) { return config.find(key) != nullptr; };
    return has("attention_probs_dropout_prob") && has("hidden_act") && has("intermediate_size") &&
           has("num_attention_heads") && has("num_hidden_layers") && has("type_vocab_size");
}

// Old files lack model_type; then the architecture has to name BERT. A mixture of experts is a moebert; early ones are
// called bert.
void check_is_bert(const Object& config) {
    const std::string type = config.text("model_type", "");
    if (type == "moebert" && config.find("moebert") == nullptr)
        config.refuse("moebert", "missing: model_type moebert needs its object of expert sizes");
    if (type == "bert" || type == "moebert") return;
    if (!type.empty()) config.refuse("model_type", fmt::format("expected bert or moebert, found {}", type));
    const auto names = architectures(config);
    const bool bert = std::any_of(names.begin(), names.end(), [](auto& name) { return name.starts_with("Bert"); });
    if (!bert && !(names.empty() && has_keys_of_2018(config)))
        config.refuse("model_type", "missing, and architectures names no BERT: expected bert");
}

void check_supported(const Object& config) {
    check_is_bert(config);
    const std::string positions = config.text("position_embedding_type", "absolute");
    if (positions != "absolute") config.refuse("position_embedding_type", "expected absolute, found " + positions);
    for (const char* key : {"is_decoder", "add_cross_attention"}) {
        if (config.is_true(key)) config.refuse(key, "expected false, found true: only encoders are supported");
    }
}

// Heads that no task here has. Those of pretraining are none of a task.
std::string other_task(const Object& config) {
    for (const char* head : {"BertForTokenClassification", "BertForMultipleChoice", "BertForNextSentencePrediction"})
        if (any_ends_with(architectures(config), head)) return head;
    const auto type = config.text("problem_type", "");
    return type == "multi_label_classification" ? type : "";
}

void read_sizes(const Object& object, ModelConfig& config) {
    config.vocab_size = object.integer("vocab_size", 1, 1 << 24);
    config.hidden_size = object.integer("hidden_size", 1, 1 << 16);
    config.num_hidden_layers = object.integer("num_hidden_layers", 1, 256);
    config.num_attention_heads = object.integer("num_attention_heads", 1, 1 << 16);
    config.intermediate_size = object.integer("intermediate_size", 1, 1 << 20);
    config.max_position_embeddings = object.integer("max_position_embeddings", 1, 1 << 20);
    config.type_vocab_size = object.integer("type_vocab_size", 1, 1 << 16, config.type_vocab_size);
    config.pad_token_id = object.integer("pad_token_id", 0, config.vocab_size - 1, config.pad_token_id);
    if (config.hidden_size % config.num_attention_heads != 0) {
        object.refuse("num_attention_heads", fmt::format("expected a divisor of hidden_size {}, found {}",
                                                         config.hidden_size, config.num_attention_heads));
    }
}

void read_numbers(const Object& object, ModelConfig& config) {
    config.hidden_act = object.text("hidden_act", config.hidden_act);
    if (!activations.contains(config.hidden_act)) {
        object.refuse("hidden_act",
                      fmt::format("expected one of {}, found {}", fmt::join(activations, ", "), config.hidden_act));
    }
    config.layer_norm_eps = object.number("layer_norm_eps", 0, 1, config.layer_norm_eps);
    config.hidden_dropout_prob = object.number("hidden_dropout_prob", 0, 1, config.hidden_dropout_prob);
    config.attention_probs_dropout_prob =
        object.number("attention_probs_dropout_prob", 0, 1, config.attention_probs_dropout_prob);
    if (object.find("classifier_dropout") != nullptr)
        config.classifier_dropout = object.number("classifier_dropout", 0, 1, 0);
    config.initializer_range = object.number("initializer_range", 0, 1e3, config.initializer_range);
}

std::vector<std::string> default_labels(std::int64_t count) {
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < count; ++i) names.push_back(fmt::format("LABEL_{}", i));
    return names;
}

// A number is a name as it is written; null is none.
std::string label_name(const Object& object, std::size_t i, const json& value) {
    if (value.is_null()) return fmt::format("LABEL_{}", i);
    if (value.is_structured()) object.refuse(fmt::format("id2label.{}", i), "a string", value);
    return plain_text(value);
}

// {"0": "no", "1": "yes"}
std::vector<std::string> names_from_id2label(const Object& object, const json& id2label) {
    std::vector<std::string> names;
    if (!id2label.is_object() || id2label.empty()) object.refuse("id2label", "an object of label names", id2label);
    for (std::size_t i = 0; i < id2label.size(); ++i) {
        const auto found = id2label.find(std::to_string(i));
        if (found == id2label.end())
            object.refuse("id2label", fmt::format("the keys 0 to {}", id2label.size() - 1), id2label);
        names.push_back(label_name(object, i, *found));
    }
    if (std::set(names.begin(), names.end()).size() != names.size()) {
        object.refuse("id2label", "names that differ", id2label);
    }
    return names;
}

// {"no": 0, "yes": 1}
std::vector<std::string> names_from_label2id(const Object& object, const json& label2id) {
    if (!label2id.is_object() || label2id.empty()) object.refuse("label2id", "an object of label numbers", label2id);
    std::vector<std::string> names(label2id.size());
    std::set<std::size_t> seen;
    for (const auto& [name, id] : label2id.items()) {
        const bool valid =
            id.is_number_integer() && id >= 0 && id < names.size() && seen.insert(id.get<std::size_t>()).second;
        if (!valid) object.refuse("label2id", fmt::format("each number from 0 to {} once", names.size() - 1), label2id);
        names[id.get<std::size_t>()] = name;
    }
    return names;
}

std::vector<std::string> read_labels(const Object& object, std::vector<std::string>& warnings) {
    const json* id2label = object.find("id2label");
    const json* label2id = object.find("label2id");
    const std::int64_t count = object.integer("num_labels", 1, 1 << 20, -1);
    if (id2label == nullptr && label2id == nullptr) return default_labels(count < 0 ? 2 : count);
    // With both, id2label counts, as in Hugging Face's tools: its counterpart often has what it was before.
    auto names = id2label != nullptr ? names_from_id2label(object, *id2label) : names_from_label2id(object, *label2id);
    if (count >= 0 && count != static_cast<std::int64_t>(names.size()))
        warnings.push_back(object.place(
            "num_labels", fmt::format("is {}, but there are {} label names, which count", count, names.size())));
    return names;
}

ProblemType read_problem_type(const Object& object, std::size_t labels) {
    if (any_ends_with(architectures(object), "BertForQuestionAnswering")) return ProblemType::question_answering;
    if (!other_task(object).empty()) return ProblemType::classification;  // a new head decides
    const std::string type = object.text("problem_type", labels == 1 ? "regression" : "single_label_classification");
    if (type == "regression") return ProblemType::regression;
    if (type == "single_label_classification") return ProblemType::classification;
    object.refuse("problem_type", fmt::format("expected regression or single_label_classification, found {}", type));
}

void read_head(const Object& object, ModelConfig& config) {
    config.other_task = other_task(object);
    config.label_names = read_labels(object, config.warnings);
    config.problem_type = read_problem_type(object, config.label_names.size());
    const bool question_answering = config.problem_type == ProblemType::question_answering;
    if (const json* value = object.find("version_2_with_negative"); value != nullptr && question_answering) {
        if (!value->is_boolean()) object.refuse("version_2_with_negative", "true or false", *value);
        config.version_2_with_negative = value->get<bool>();
    }
    const std::int64_t outputs = question_answering ? 2 : config.problem_type == ProblemType::regression ? 1 : -1;
    if (outputs > 0 && config.num_labels() != outputs) {
        object.refuse("id2label",
                      fmt::format("expected {} label{} for {}, found {}", outputs, outputs == 1 ? "" : "s",
                                  question_answering ? "question answering" : "regression", config.num_labels()));
    }
}

RouteMethod read_route_method(const Object& object) try {
    return parse_route_method(object.text("route_method", ""));
} catch (const UsageError& error) {
    object.refuse("route_method", error.what());
}

void check_moe_keys(const Object& object) {
    const std::set<std::string> known = {"num_experts", "expert_size", "shared_size", "route_method", "expert_dropout"};
    for (const auto& [key, value] : object.value().items()) {
        if (!known.contains(key)) object.refuse(key, fmt::format("unknown; expected {}", fmt::join(known, ", ")));
    }
}

// Every expert holds the s shared neurons and every N-th of the others, at most.
MoeConfig read_moe(const Object& object, std::int64_t intermediate_size) {
    MoeConfig moe;
    check_moe_keys(object);
    moe.num_experts = object.integer("num_experts", 1, MoeConfig::kMostExperts);
    moe.shared_size = object.integer("shared_size", 0, intermediate_size);
    const std::int64_t largest = moe.shared_size + (intermediate_size - moe.shared_size) / moe.num_experts;
    moe.expert_size = object.integer("expert_size", std::max<std::int64_t>(1, moe.shared_size), largest);
    moe.route_method = read_route_method(object);
    moe.expert_dropout = object.number("expert_dropout", 0, 1, moe.expert_dropout);
    return moe;
}

json keep_unknown(const json& config) {
    json extra = json::object();
    for (const auto& [key, value] : config.items()) {
        if (!own_keys.contains(key)) extra[key] = value;
    }
    return extra;
}

// Of the model's head, under a name that other tools don't know where it is a mixture of experts.
std::string architecture(const ModelConfig& config) {
    const bool question_answering = config.problem_type == ProblemType::question_answering;
    return fmt::format("{}BertFor{}", config.moe ? "MoE" : "",
                       question_answering ? "QuestionAnswering" : "SequenceClassification");
}

void write_labels(const ModelConfig& config, json& output) {
    output["id2label"] = json::object();
    output["label2id"] = json::object();
    for (std::size_t i = 0; i < config.label_names.size(); ++i) {
        output["id2label"][std::to_string(i)] = config.label_names[i];
        output["label2id"][config.label_names[i]] = i;
    }
}

// Other tools choose the model by its type, whatever the architecture says: "bert" would open a mixture of experts as a
// dense model whose feed-forward layers are drawn at random. They refuse a type that they don't know.
const char* model_type(const ModelConfig& config) { return config.moe ? "moebert" : "bert"; }

json moe_to_json(const MoeConfig& moe) {
    return {{"num_experts", moe.num_experts},
            {"expert_size", moe.expert_size},
            {"shared_size", moe.shared_size},
            {"route_method", to_string(moe.route_method)},
            {"expert_dropout", moe.expert_dropout}};
}

}  // namespace

std::string to_string(RouteMethod method) { return route_methods[static_cast<std::size_t>(method)]; }

RouteMethod parse_route_method(const std::string& name) {
    const auto found = std::find(route_methods.begin(), route_methods.end(), name);
    if (found == route_methods.end()) fail_usage("expected one of {}, found {}", fmt::join(route_methods, ", "), name);
    return static_cast<RouteMethod>(found - route_methods.begin());
}

bool is_gated(RouteMethod method) { return method == RouteMethod::gate_token || method == RouteMethod::gate_sentence; }

ModelConfig parse_model_config(std::string_view text, const fs::path& file) {
    const json value = parse_json_object(text, file);
    const Object object(value, file);
    ModelConfig config;
    check_supported(object);
    read_sizes(object, config);
    read_numbers(object, config);
    read_head(object, config);
    if (const json* moe = object.find("moebert")) {
        if (!moe->is_object()) object.refuse("moebert", "an object", *moe);
        config.moe = read_moe(Object(*moe, file, "moebert."), config.intermediate_size);
    }
    config.extra = keep_unknown(value);
    return config;
}

ModelConfig read_model_config(const fs::path& file) {
    return parse_model_config(read_text(file, max_config_size), file);
}

json to_json(const ModelConfig& config) {
    json output = config.extra.is_object() ? config.extra : json::object();
    output.update({{"architectures", {architecture(config)}},
                   {"model_type", model_type(config)},
                   {"vocab_size", config.vocab_size},
                   {"hidden_size", config.hidden_size},
                   {"num_hidden_layers", config.num_hidden_layers},
                   {"num_attention_heads", config.num_attention_heads},
                   {"intermediate_size", config.intermediate_size},
                   {"max_position_embeddings", config.max_position_embeddings},
                   {"type_vocab_size", config.type_vocab_size},
                   {"pad_token_id", config.pad_token_id},
                   {"hidden_act", config.hidden_act},
                   {"layer_norm_eps", config.layer_norm_eps},
                   {"hidden_dropout_prob", config.hidden_dropout_prob},
                   {"attention_probs_dropout_prob", config.attention_probs_dropout_prob},
                   {"initializer_range", config.initializer_range}});
    write_labels(config, output);
    if (config.classifier_dropout) output["classifier_dropout"] = *config.classifier_dropout;
    if (config.version_2_with_negative) output["version_2_with_negative"] = true;
    if (config.problem_type == ProblemType::regression) output["problem_type"] = "regression";
    if (config.problem_type == ProblemType::classification) output["problem_type"] = "single_label_classification";
    if (config.moe) output["moebert"] = moe_to_json(*config.moe);
    return output;
}

}  // namespace moebert
