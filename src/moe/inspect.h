// What a checkpoint or file of this project holds, as JSON.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace moebert {

// `path` is a checkpoint directory, a file of importance scores or a hash list (.safetensors, .pkl), or any other
// safetensors or pytorch_model.bin file. The object's `kind` says which. Throws an InputError for anything else.
nlohmann::json inspect(const std::filesystem::path& path);

}  // namespace moebert
