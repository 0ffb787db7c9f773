// The weights of a checkpoint directory, in whichever of the usual files they are.
#pragma once

#include <filesystem>

#include "io/tensor.h"

namespace moebert {

struct Weights {
    std::filesystem::path file;  // to be named in errors; of sharded weights, the index
    TensorMap tensors;           // under the files' own names
};

// The first of model.safetensors, model.safetensors.index.json, pytorch_model.bin and pytorch_model.bin.index.json.
Weights read_weights(const std::filesystem::path& directory);

}  // namespace moebert
