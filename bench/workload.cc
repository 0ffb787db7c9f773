#include "workload.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "moe/hash_table.h"
#include "moe/split.h"
#include "tasks/features.h"
#include "tasks/reader.h"
#include "tasks/squad_features.h"

namespace moebert::bench {
namespace {

ModelConfig config_of(const nlohmann::json& shape, ProblemType problem_type) {
    ModelConfig config;
    config.num_hidden_layers = shape.at("layers");
    config.hidden_size = shape.at("hidden");
    config.num_attention_heads = shape.at("heads");
    config.intermediate_size = shape.at("intermediate");
    config.problem_type = problem_type;
    config.label_names = {"LABEL_0", "LABEL_1"};
    return config;
}

Tensor random_tensor(const TensorSpec& spec) {
    if (spec.name.ends_with("LayerNorm.weight")) {
        const std::vector<float> ones(static_cast<std::size_t>(element_count(spec.shape)), 1.0F);
        return Tensor::from<float>(spec.shape, ones);
    }
    return from_torch(spec.shape.size() < 2 ? torch::zeros(spec.shape) : 0.02 * torch::randn(spec.shape));
}

// The first `count` of them in mixed order.
template <class T>
void mix(std::vector<T>& values, std::int64_t count) {
    RandomEngine engine(1);
    shuffle(std::span(values), engine);
    if (std::ssize(values) > count) values.resize(static_cast<std::size_t>(count));
}

Tokenizer tokenizer(const std::filesystem::path& data) { return Tokenizer::load(data / "vocab/bert-base-uncased"); }

std::vector<Feature> text_features(const std::string& task_name, const std::filesystem::path& data,
                                   std::int64_t count) {
    const auto& task = find_task(task_name);
    auto dataset = read_glue(task, data, Split::validation).front();
    mix(dataset.examples, count);
    return make_features(dataset, tokenizer(data), 512);
}

std::vector<Feature> question_features(const std::filesystem::path& data, std::int64_t count) {
    const auto set = read_squad(data / "SQuAD/dev-v1.1.json");
    auto features = make_windows(set, {tokenizer(data), 384, 2}, {128, true}).features;
    mix(features, count);
    return features;
}

std::vector<Feature> fixed_features(std::int64_t count) {
    RandomEngine engine(2);
    std::vector<Feature> features(static_cast<std::size_t>(count));
    for (auto& feature : features) {
        for (int t = 0; t < 128; ++t)
            feature.input_ids.push_back(static_cast<std::int32_t>(1000 + uniform_index(engine, 29000)));
        feature.token_type_ids.assign(128, 0);
        feature.label = static_cast<double>(uniform_index(engine, 2));
    }
    return features;
}

Batches cut(const std::vector<std::int64_t>& order, std::int64_t size) {
    Batches batches;
    for (std::size_t first = 0; first + static_cast<std::size_t>(size) <= order.size();
         first += static_cast<std::size_t>(size))
        batches.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(first),
                             order.begin() + static_cast<std::ptrdiff_t>(first) + size);
    return batches;
}

std::vector<std::int64_t> identity(std::size_t count) {
    std::vector<std::int64_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    return order;
}

}  // namespace

Checkpoint random_checkpoint(const nlohmann::json& shape, ProblemType problem_type, bool moe) {
    torch::manual_seed(0);
    Checkpoint dense{config_of(shape, problem_type), {}, {}, {}, "random"};
    for (const auto& spec : tensor_table(dense.config)) dense.tensors[spec.name] = random_tensor(spec);
    if (!moe) return dense;
    const auto& c = dense.config;
    const MoeConfig experts{4, c.intermediate_size / 4, c.intermediate_size / 6, RouteMethod::hash_random, 0.1};
    return split_checkpoint(dense, experts,
                            neuron_orders(SplitMethod::random, nullptr, c.num_hidden_layers, c.intermediate_size, 0),
                            make_hash_tables(experts.route_method, c.num_hidden_layers, c.vocab_size, 4, 0, {}), 0);
}

ProblemType problem_type_of(const std::string& name) {
    return name == "squad" ? ProblemType::question_answering : ProblemType::classification;
}

std::vector<Feature> workload(const std::string& name, const std::filesystem::path& data, std::int64_t count) {
    if (name == "fixed") return fixed_features(count);
    return name == "squad" ? question_features(data, count) : text_features(name, data, count);
}

Batches mixed_batches(std::span<const Feature> features, std::int64_t size) {
    return cut(identity(features.size()), size);
}

Batches batches_by_length(std::span<const Feature> features, std::int64_t size) {
    auto order = identity(features.size());
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
        return features[static_cast<std::size_t>(a)].input_ids.size() <
               features[static_cast<std::size_t>(b)].input_ids.size();
    });
    return cut(order, size);
}

std::int64_t count_tokens(std::span<const Feature> features, const Batches& batches) {
    std::int64_t tokens = 0;
    for (const auto& batch : batches)
        for (const auto i : batch) tokens += std::ssize(features[static_cast<std::size_t>(i)].input_ids);
    return tokens;
}

}  // namespace moebert::bench
