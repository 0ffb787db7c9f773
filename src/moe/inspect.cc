#include "moe/inspect.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.h"
#include "io/checkpoint.h"
#include "io/pickle.h"
#include "io/safetensors.h"
#include "io/torch_file.h"
#include "moe/cost.h"
#include "moe/importance.h"

namespace moebert {
namespace {

std::string problem_name(ProblemType type) {
    switch (type) {
        case ProblemType::classification:
            return "classification";
        case ProblemType::regression:
            return "regression";
        case ProblemType::question_answering:
            return "question answering";
    }
    return "";
}

// Parameters one token passes: all but the embedding tables' other rows and, in a mixture, the other experts.
std::int64_t used_by_token(const ModelConfig& c, std::int64_t all, const TensorMap& tensors) {
    std::int64_t unused = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size - 3) * c.hidden_size;
    for (const auto& [name, tensor] : tensors)
        if (c.moe && name.find(".experts.experts.") != std::string::npos &&
            name.find(".experts.experts.0.") == std::string::npos)
            unused += tensor.size();
    return all - unused;
}

// Multiply-adds count two. Attention's products grow with the sentence and are given for 128 tokens.
nlohmann::json flops(const ModelConfig& c) {
    const std::int64_t h = c.hidden_size, layers = c.num_hidden_layers;
    const std::int64_t feed_forward = 2 * feed_forward_multiply_adds(c), projections = layers * 2 * 4 * h * h,
                       attention = layers * 2 * 2 * 128 * h;
    return {{"feed_forward", feed_forward},
            {"attention_projections", projections},
            {"attention_at_128_tokens", attention},
            {"total_at_128_tokens", feed_forward + projections + attention}};
}

double cosine(std::span<const float> a, std::span<const float> b) {
    double dot = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        dot += static_cast<double>(a[i]) * b[i];
        aa += static_cast<double>(a[i]) * a[i];
        bb += static_cast<double>(b[i]) * b[i];
    }
    return aa > 0 && bb > 0 ? dot / std::sqrt(aa * bb) : 0.0;
}

// Mean over pairs of experts of the share of neurons whose input weights are still those of the same rank in the other
// expert (cosine above 0.99): shared_size / expert_size right after the split, less as training moves the copies apart.
double expert_overlap(const ModelConfig& c, const TensorMap& tensors, std::int64_t layer) {
    const auto n = c.moe->num_experts, h = c.hidden_size;
    std::vector<std::span<const float>> weights;
    for (std::int64_t e = 0; e < n; ++e)
        weights.push_back(
            tensors.at(fmt::format("bert.encoder.layer.{}.experts.experts.{}.fc1.weight", layer, e)).as<float>());
    const auto width = static_cast<std::size_t>(h);
    std::int64_t same = 0, compared = 0;
    for (std::size_t a = 0; a < weights.size(); ++a)
        for (std::size_t b = a + 1; b < weights.size(); ++b)
            for (std::size_t at = 0; at < weights[a].size(); at += width, ++compared)
                same += cosine(weights[a].subspan(at, width), weights[b].subspan(at, width)) > 0.99;
    return compared > 0 ? static_cast<double>(same) / static_cast<double>(compared) : 1.0;
}

nlohmann::json moe_part(const ModelConfig& c, const TensorMap& tensors) {
    auto overlap = nlohmann::json::array();
    for (std::int64_t k = 0; k < c.num_hidden_layers; ++k) overlap.push_back(expert_overlap(c, tensors, k));
    return {{"num_experts", c.moe->num_experts},       {"expert_size", c.moe->expert_size},
            {"shared_size", c.moe->shared_size},       {"route_method", to_string(c.moe->route_method)},
            {"expert_dropout", c.moe->expert_dropout}, {"expert_overlap", overlap}};
}

nlohmann::json inspect_checkpoint(const std::filesystem::path& directory) {
    const auto checkpoint = load_checkpoint(directory);
    const auto& c = checkpoint.config;
    std::int64_t all = 0;
    for (const auto& [name, tensor] : checkpoint.tensors)
        if (tensor.dtype == DType::f32) all += tensor.size();
    nlohmann::json out{{"kind", c.moe ? "mixture of experts" : "dense"},
                       {"path", directory.string()},
                       {"problem_type", problem_name(c.problem_type)},
                       {"labels", c.label_names},
                       {"num_hidden_layers", c.num_hidden_layers},
                       {"hidden_size", c.hidden_size},
                       {"num_attention_heads", c.num_attention_heads},
                       {"intermediate_size", c.intermediate_size},
                       {"vocab_size", c.vocab_size},
                       {"max_position_embeddings", c.max_position_embeddings},
                       {"hidden_act", c.hidden_act},
                       {"parameters", all},
                       {"parameters_used_by_a_token", used_by_token(c, all, checkpoint.tensors)},
                       {"flops_of_a_token", flops(c)},
                       {"missing", checkpoint.missing},
                       {"digest", checkpoint_digest(checkpoint)}};
    if (c.moe) out["moe"] = moe_part(c, checkpoint.tensors);
    return out;
}

nlohmann::json inspect_importance(const std::filesystem::path& file) {
    const auto scores = load_importance(file);
    auto layers = nlohmann::json::array();
    for (std::int64_t k = 0; k < scores.layers(); ++k)
        layers.push_back({{"mass_of_top_1_16", mass_of_top(scores, k, scores.neurons() / 16)},
                          {"mass_of_top_1_6", mass_of_top(scores, k, scores.neurons() / 6)},
                          {"mass_of_top_1_4", mass_of_top(scores, k, scores.neurons() / 4)},
                          {"mass_of_top_1_2", mass_of_top(scores, k, scores.neurons() / 2)}});
    const auto& s = scores.source;
    return {{"kind", "importance scores"},
            {"path", file.string()},
            {"layers", scores.layers()},
            {"neurons", scores.neurons()},
            {"task", s.task},
            {"split", s.split},
            {"examples", s.examples},
            {"rank", s.rank},
            {"world_size", s.world_size},
            {"model_digest", s.model_digest},
            {"merged_from", s.merged_from},
            {"concentration", layers}};
}

nlohmann::json inspect_hash_list(const pickle::List& list, const std::filesystem::path& file) {
    std::vector<std::int64_t> tokens;
    for (const auto& item : list) {
        const auto expert = pickle::expect_int(item, file, "hash list");
        if (expert < 0 || expert > 65535) throw InputError(file, "hash list", fmt::format("expert {}", expert));
        if (static_cast<std::size_t>(expert) >= tokens.size()) tokens.resize(static_cast<std::size_t>(expert) + 1);
        ++tokens[static_cast<std::size_t>(expert)];
    }
    return {{"kind", "hash list"},
            {"path", file.string()},
            {"vocab_size", list.size()},
            {"num_experts", tokens.size()},
            {"tokens_of_expert", tokens}};
}

nlohmann::json list_tensors(const TensorMap& tensors, const std::filesystem::path& file) {
    auto list = nlohmann::json::array();
    for (const auto& [name, tensor] : tensors)
        list.push_back({{"name", name}, {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}});
    return {{"kind", "tensors"}, {"path", file.string()}, {"tensors", list}};
}

nlohmann::json inspect_pickle(const std::filesystem::path& file) {
    const auto value = pickle::read(file);
    const auto* list = std::get_if<pickle::List>(&value.data);
    const bool flat = list && !list->empty() && std::holds_alternative<std::int64_t>(list->front().data);
    return flat ? inspect_hash_list(*list, file) : inspect_importance(file);
}

}  // namespace

nlohmann::json inspect(const std::filesystem::path& path) {
    if (std::filesystem::is_directory(path)) return inspect_checkpoint(path);
    const auto ending = path.extension();
    if (ending == ".pkl") return inspect_pickle(path);
    if (ending == ".bin" || ending == ".pt" || ending == ".pth") return list_tensors(read_torch_file(path), path);
    if (ending != ".safetensors" && std::filesystem::exists(path))
        throw InputError(path, "", "expected a checkpoint directory or a .safetensors, .pkl or .bin file");
    const auto tensors = read_safetensors(path);
    return tensors.size() == 1 && tensors.contains("importance") ? inspect_importance(path)
                                                                 : list_tensors(tensors, path);
}

}  // namespace moebert
