// A fixture folder, read.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/checkpoint.h"
#include "train/model.h"

namespace moebert::parity {

struct Fixture {
    std::filesystem::path folder;
    nlohmann::json meta;
    ModelConfig config;  // of the dense model
    Checkpoint dense;
    Batch batch;  // padded, as the numbers were made
    std::int64_t sentences, width;
    torch::Device device = torch::kCPU;
};

Fixture read_fixture(const std::filesystem::path& folder, torch::Device device);

// The model of moe_METHOD.safetensors.
Checkpoint read_moe(const Fixture& fixture, RouteMethod method);

// A file of expected tensors, as libtorch tensors.
std::map<std::string, torch::Tensor> read_tensors(const std::filesystem::path& file);

}  // namespace moebert::parity
