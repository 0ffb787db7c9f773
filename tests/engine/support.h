// What the engine's tests share.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/random.h"
#include "io/checkpoint.h"
#include "io/safetensors.h"
#include "io/support.h"
#include "tasks/features.h"

namespace moebert::engine {

// Uniform between -scale and scale.
inline std::vector<float> random_values(std::int64_t count, std::uint64_t seed, double scale = 1.0) {
    RandomEngine engine(seed);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (auto& value : values) value = static_cast<float>(scale * (2.0 * uniform_real(engine) - 1.0));
    return values;
}

// A model of a fixture folder, with the authors' numbers: L 3, H 32, 4 heads, I 64, V 97.
struct Case {
    const char* fixture;
    int method;  // of RouteMethod; -1: dense

    std::string model() const {
        return method < 0 ? "dense" : fmt::format("moe_{}", moebert::to_string(static_cast<RouteMethod>(method)));
    }
    friend void PrintTo(const Case& c, std::ostream* out) { *out << c.fixture << " " << c.model(); }
};

inline Checkpoint load(const Case& c) {
    auto checkpoint = load_checkpoint(test::fixtures / c.fixture / "dense", [&](ModelConfig& config) {
        if (c.fixture == std::string("reg")) config.problem_type = ProblemType::regression;
    });
    if (c.method < 0) return checkpoint;
    checkpoint.config.moe = MoeConfig{4, 16, 8, static_cast<RouteMethod>(c.method), 0.0};
    checkpoint.tensors = read_safetensors(test::fixtures / c.fixture / fmt::format("{}.safetensors", c.model()));
    return checkpoint;
}

// With layers as wide as real ones' least parts: random weights, L 2, H 192, 3 heads, I 256, V 97.
inline Checkpoint wide_model(int method, ProblemType type) {
    Checkpoint checkpoint;
    auto& c = checkpoint.config;
    c.vocab_size = 97;
    c.hidden_size = 192;
    c.num_hidden_layers = 2;
    c.num_attention_heads = 3;
    c.intermediate_size = 256;
    c.max_position_embeddings = 200;
    c.problem_type = type;
    c.label_names = {"a", "b"};
    if (method >= 0) c.moe = MoeConfig{3, 128, 64, static_cast<RouteMethod>(method), 0.0};
    for (const auto& spec : tensor_table(c)) {
        const auto count = element_count(spec.shape);
        const auto seed = 7 + checkpoint.tensors.size();
        auto& tensor = checkpoint.tensors[spec.name];
        if (spec.dtype == DType::i64) {
            std::vector<std::int64_t> experts;
            for (std::int64_t i = 0; i < count; ++i) experts.push_back(i % 3);
            tensor = Tensor::from<std::int64_t>(spec.shape, experts);
        } else {
            tensor = Tensor::from<float>(spec.shape, random_values(count, seed, spec.shape.size() == 2 ? 0.1 : 1.0));
        }
    }
    return checkpoint;
}

inline std::vector<Feature> random_sentences(std::size_t count) {
    RandomEngine engine(3);
    std::vector<Feature> features(count);
    for (auto& feature : features) {
        feature.input_ids.resize(1 + uniform_index(engine, 40));
        for (auto& id : feature.input_ids) id = static_cast<std::int32_t>(uniform_index(engine, 97));
        feature.token_type_ids.assign(feature.input_ids.size(), static_cast<std::uint8_t>(uniform_index(engine, 2)));
    }
    return features;
}

}  // namespace moebert::engine
