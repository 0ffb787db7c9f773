// A checkpoint with its weights packed for one kind of processor and one precision: config.json and the tokenizer's
// files as they were, and prepared.safetensors in place of the weights. It is mapped, not read: processes share it, and
// loading takes no longer than checking it.
//
// prepared.safetensors holds, for each layer N that the engine multiplies by, N.packed, N.bias and for int8 N.scale and
// N.sum (LinearWeights), and the other tensors by their names in checkpoints; all as bytes (U8), of a multiple of 64
// each so that every one begins on a 64-byte boundary. Its metadata has the format's version, the precision, the
// library and processor whose layout it is (product_target()), and digests of the bytes and of config.json's values,
// but for the labels' names.
#pragma once

#include <filesystem>
#include <string>

#include "engine/weights.h"
#include "io/safetensors.h"

namespace moebert::engine {

// Whether the directory holds one; not where model.safetensors lies beside it, which may be newer.
bool is_prepared(const std::filesystem::path& directory);

// Writes `to` for the checkpoint `from`; prepared.safetensors is the last file that appears.
void prepare(const std::filesystem::path& from, Precision precision, const std::filesystem::path& to);

// The way back: a checkpoint as other tools read it, with the weights as the precision has rounded them.
void restore(const std::filesystem::path& from, const std::filesystem::path& to);

// Throws an InputError for a file that is damaged, of another version, for another processor, or not of its
// config.json.
Weights load_prepared(const std::filesystem::path& directory);

// Of a prepared checkpoint, or packed now. `precision` is what parse_precision() takes, or empty: the prepared one,
// else fp32. Throws a UsageError when that is not the prepared one, or when the processor lacks it.
Weights load_weights(const std::filesystem::path& directory, const std::string& precision);

// Of the prepared file, for people: precision, target, bytes.
Metadata prepared_metadata(const std::filesystem::path& directory);

}  // namespace moebert::engine
