#include "fixture.h"

#include "core/error.h"
#include "io/file.h"
#include "io/safetensors.h"

namespace moebert::parity {

std::map<std::string, torch::Tensor> read_tensors(const std::filesystem::path& file) {
    std::map<std::string, torch::Tensor> out;
    for (const auto& [name, tensor] : read_safetensors(file)) out[name] = to_torch(tensor);
    return out;
}

namespace {

Batch read_batch(const Fixture& fixture) {
    auto inputs = read_tensors(fixture.folder / "inputs.safetensors");
    for (auto& [name, tensor] : inputs) tensor = tensor.to(fixture.device);
    auto batch = make_padded_batch(inputs.at("input_ids"), inputs.at("attention_mask"), inputs.at("token_type_ids"));
    if (inputs.contains("start_positions")) {
        batch.start_positions = inputs["start_positions"];
        batch.end_positions = inputs["end_positions"];
    } else {
        batch.labels = inputs.at("labels");
    }
    return batch;
}

ProblemType problem_type(const std::string& kind) {
    if (kind == "cls") return ProblemType::classification;
    if (kind == "reg") return ProblemType::regression;
    if (kind == "qa") return ProblemType::question_answering;
    fail("meta.json: kind: '{}'; expected cls, reg or qa", kind);
}

}  // namespace

Fixture read_fixture(const std::filesystem::path& folder, torch::Device device) {
    Fixture fixture;
    fixture.folder = folder;
    fixture.device = device;
    fixture.meta = nlohmann::json::parse(read_text(folder / "meta.json"));
    const auto type = problem_type(fixture.meta.at("kind"));
    fixture.dense = load_checkpoint(folder / "dense", [&](ModelConfig& config) { config.problem_type = type; });
    if (!fixture.dense.missing.empty()) fail("{}: {} is missing", folder.string(), fixture.dense.missing.front());
    fixture.config = fixture.dense.config;
    fixture.batch = read_batch(fixture);
    fixture.sentences = fixture.batch.layout->sentences();
    fixture.width = fixture.batch.layout->rows() / fixture.sentences;
    return fixture;
}

Checkpoint read_moe(const Fixture& fixture, RouteMethod method) {
    Checkpoint checkpoint{fixture.config, {}, {}, {}, fixture.folder};
    checkpoint.config.moe =
        MoeConfig{fixture.meta.at("experts"), fixture.meta.at("expert_dim"), fixture.meta.at("share"), method, 0.0};
    checkpoint.tensors = read_safetensors(fixture.folder / ("moe_" + to_string(method) + ".safetensors"));
    return checkpoint;
}

}  // namespace moebert::parity
