#include "io/weight_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/torch_file.h"

namespace moebert {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* candidates[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                      "pytorch_model.bin.index.json"};
constexpr std::size_t max_index_size = std::size_t{1} << 26;

TensorMap read_tensors(const fs::path& file) {
    return file.extension() == ".bin" ? read_torch_file(file) : read_safetensors(file);
}

// The index comes from outside: it may name files beside it, and no others.
void check_shard_name(const json& shard, const std::string& tensor, const fs::path& index) {
    const bool plain =
        shard.is_string() && fs::path(shard.get<std::string>()).filename() == shard.get<std::string>() &&
        (shard.get<std::string>().ends_with(".safetensors") || shard.get<std::string>().ends_with(".bin"));
    if (!plain)
        throw InputError(index, tensor,
                         "expected the name of a weights file in the same folder, found " + shard.dump());
}

// {"weight_map": {"tensor": "file", ...}}
TensorMap read_shards(const fs::path& index) {
    const json content = parse_json_object(read_text(index, max_index_size), index);
    const auto map = content.find("weight_map");
    if (map == content.end() || !map->is_object()) throw InputError(index, "weight_map", "expected an object");
    std::map<std::string, TensorMap> shards;
    TensorMap tensors;
    for (const auto& [name, shard] : map->items()) {
        check_shard_name(shard, name, index);
        const std::string file = shard.get<std::string>();
        if (!shards.contains(file)) shards[file] = read_tensors(index.parent_path() / file);
        const auto tensor = shards[file].find(name);
        if (tensor == shards[file].end()) throw InputError(index, name, "not in " + file + ", where the index has it");
        tensors.insert(*tensor);
    }
    return tensors;
}

}  // namespace

Weights read_weights(const fs::path& directory) {
    for (const char* name : candidates) {
        std::error_code error;
        const fs::path file = directory / name;
        if (fs::exists(file, error))
            return {file, file.extension() == ".json" ? read_shards(file) : read_tensors(file)};
    }
    const std::pair<const char*, const char*> others[] = {{"tf_model.h5", "TensorFlow's weights"},
                                                          {"flax_model.msgpack", "Flax's weights"},
                                                          {"model.onnx", "an ONNX model"},
                                                          {"adapter_model.safetensors", "an adapter without its base"},
                                                          {"adapter_model.bin", "an adapter without its base"}};
    std::error_code error;
    for (const auto& [name, what] : others)
        if (fs::exists(directory / name, error))
            throw InputError(directory, name, fmt::format("{}: expected one of {}", what, fmt::join(candidates, ", ")));
    if (fs::exists(directory / "prepared.safetensors", error))
        throw InputError(directory, "",
                         "is prepared for inference by `moebert convert`; expected the model that it was made from "
                         "(`moebert convert --to safetensors` turns it back)");
    throw InputError(directory, "", fmt::format("no weights: expected one of {}", fmt::join(candidates, ", ")));
}

}  // namespace moebert
