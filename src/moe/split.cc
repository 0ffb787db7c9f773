#include "moe/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace moebert {

SplitMethod parse_split_method(const std::string& name) {
    if (name == "importance") return SplitMethod::importance;
    if (name == "random") return SplitMethod::random;
    if (name == "inverse") return SplitMethod::inverse;
    fail_usage("split_method: '{}' is unknown; expected importance, random or inverse", name);
}

std::string to_string(SplitMethod method) {
    switch (method) {
        case SplitMethod::importance:
            return "importance";
        case SplitMethod::random:
            return "random";
        case SplitMethod::inverse:
            return "inverse";
    }
    return "";
}

void check_num_experts(std::int64_t count) {
    if (count < 1 || count > MoeConfig::kMostExperts)
        fail_usage("num_experts: {} given; expected 1 to {}", count, MoeConfig::kMostExperts);
}

void check_split(const SplitShape& shape) {
    const auto [n, d, s, i] = shape;
    check_num_experts(n);
    if (d <= 0) fail_usage("expert_size: {} given; at least 1 is needed", d);
    if (s < 0) fail_usage("shared_size: {} given; it can't be negative", s);
    if (s > d) fail_usage("shared_size: {} given; it can't be larger than expert_size, {}", s, d);
    const std::int64_t most = s > i ? i : s + (i - s) / n;
    if (d > most)
        fail_usage(
            "expert_size: {} given; {} experts sharing {} of a layer's {} neurons can have at most {} each "
            "(shared_size + (intermediate_size - shared_size) / num_experts)",
            d, n, s, i, most);
}

std::vector<std::vector<std::int64_t>> assign_neurons(const std::vector<std::int64_t>& order, const SplitShape& shape) {
    check_split(shape);
    std::vector<std::vector<std::int64_t>> experts(static_cast<std::size_t>(shape.num_experts));
    for (std::int64_t e = 0; e < shape.num_experts; ++e) {
        auto& expert = experts[static_cast<std::size_t>(e)];
        expert.assign(order.begin(), order.begin() + shape.shared_size);
        for (std::int64_t rank = shape.shared_size + e; std::ssize(expert) < shape.expert_size;
             rank += shape.num_experts)
            expert.push_back(order.at(static_cast<std::size_t>(rank)));
    }
    return experts;
}

std::vector<std::vector<std::int64_t>> neuron_orders(SplitMethod method, const Importance* scores, std::int64_t layers,
                                                     std::int64_t intermediate_size, std::uint64_t seed) {
    if (method == SplitMethod::random) {
        std::vector<std::int64_t> identity(static_cast<std::size_t>(intermediate_size));
        std::iota(identity.begin(), identity.end(), 0);
        std::vector<std::vector<std::int64_t>> orders(static_cast<std::size_t>(layers), identity);
        RandomEngine engine(random_key(seed));
        for (auto& order : orders) shuffle(std::span(order), engine);
        return orders;
    }
    if (!scores) fail_usage("split_method {} needs importance scores", to_string(method));
    if (scores->layers() != layers || scores->neurons() != intermediate_size)
        fail_usage("importance scores: {} layers of {} neurons; the model has {} layers of {}", scores->layers(),
                   scores->neurons(), layers, intermediate_size);
    auto orders = scores->order;
    if (method == SplitMethod::inverse)
        for (auto& order : orders) std::reverse(order.begin(), order.end());
    return orders;
}

namespace {

// Rows of a (I, width) or (I) tensor.
Tensor take_rows(const Tensor& from, const std::vector<std::int64_t>& rows) {
    Shape shape = from.shape;
    const std::int64_t width = from.size() / shape[0];
    shape[0] = std::ssize(rows);
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(element_count(shape)));
    const auto source = from.as<float>();
    for (const auto row : rows) {
        const auto slice = source.subspan(static_cast<std::size_t>(row * width), static_cast<std::size_t>(width));
        values.insert(values.end(), slice.begin(), slice.end());
    }
    return Tensor::from<float>(shape, values);
}

// Columns of a (H, I) tensor.
Tensor take_columns(const Tensor& from, const std::vector<std::int64_t>& columns) {
    const std::int64_t rows = from.shape[0], width = from.shape[1];
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(rows) * columns.size());
    const auto source = from.as<float>();
    for (std::int64_t r = 0; r < rows; ++r)
        for (const auto c : columns) values.push_back(source[static_cast<std::size_t>(r * width + c)]);
    return Tensor::from<float>({rows, std::ssize(columns)}, values);
}

Tensor random_gate(std::int64_t num_experts, std::int64_t hidden_size, RandomEngine& engine) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(hidden_size));
    std::vector<float> values(static_cast<std::size_t>(num_experts * hidden_size));
    for (auto& value : values) value = static_cast<float>((2.0 * uniform_real(engine) - 1.0) * bound);
    return Tensor::from<float>({num_experts, hidden_size}, values);
}

void split_layer(const std::string& layer, const std::vector<std::vector<std::int64_t>>& experts,
                 const TensorMap& dense, TensorMap& out) {
    for (std::size_t e = 0; e < experts.size(); ++e) {
        const std::string expert = fmt::format("{}experts.experts.{}.", layer, e);
        out[expert + "fc1.weight"] = take_rows(dense.at(layer + "intermediate.dense.weight"), experts[e]);
        out[expert + "fc1.bias"] = take_rows(dense.at(layer + "intermediate.dense.bias"), experts[e]);
        out[expert + "fc2.weight"] = take_columns(dense.at(layer + "output.dense.weight"), experts[e]);
        out[expert + "fc2.bias"] = dense.at(layer + "output.dense.bias");
        out[expert + "LayerNorm.weight"] = dense.at(layer + "output.LayerNorm.weight");
        out[expert + "LayerNorm.bias"] = dense.at(layer + "output.LayerNorm.bias");
    }
}

// Everything but the feed-forward layers, which the experts replace.
TensorMap without_feed_forward(const TensorMap& dense) {
    TensorMap kept;
    for (const auto& [name, tensor] : dense) {
        const bool attention = name.find(".attention.") != std::string::npos;
        const bool feed_forward =
            name.find(".intermediate.dense.") != std::string::npos || name.find(".output.") != std::string::npos;
        if (attention || !feed_forward) kept[name] = tensor;
    }
    return kept;
}

}  // namespace

Checkpoint split_checkpoint(const Checkpoint& dense, const MoeConfig& moe,
                            const std::vector<std::vector<std::int64_t>>& orders, const HashTables& tables,
                            std::uint64_t seed) {
    if (dense.config.moe)
        fail("{}: is a mixture of experts already; split takes a dense model", dense.directory.string());
    const SplitShape shape{moe.num_experts, moe.expert_size, moe.shared_size, dense.config.intermediate_size};
    Checkpoint student = dense;
    student.config.moe = moe;
    student.tensors = without_feed_forward(dense.tensors);
    RandomEngine engine(random_key(seed, 1));
    for (std::int64_t k = 0; k < dense.config.num_hidden_layers; ++k) {
        const std::string layer = fmt::format("bert.encoder.layer.{}.", k);
        split_layer(layer, assign_neurons(orders.at(static_cast<std::size_t>(k)), shape), dense.tensors,
                    student.tensors);
        if (is_gated(moe.route_method))
            student.tensors[layer + "experts.gate.weight"] =
                random_gate(moe.num_experts, dense.config.hidden_size, engine);
        else
            student.tensors[layer + "experts.hash_list"] =
                Tensor::from<std::int64_t>({dense.config.vocab_size}, tables.at(static_cast<std::size_t>(k)));
    }
    return student;
}

}  // namespace moebert
