// pytorch_model.bin: what torch.save makes of a dictionary of tensors, a zip archive with a pickle and raw storages, or
// before PyTorch 1.6 the same one after the other. Nothing in it is ever executed.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "io/tensor.h"

namespace moebert {

// Every tensor contiguous; those that share a storage share its memory. The dictionary may stand
// under state_dict, model_state_dict or model, as training tools write it. An InputError for anything that is not a
// dictionary of CPU tensors.
TensorMap read_torch_file(const std::filesystem::path& file);

// The same from bytes in memory; `file` is named in errors. The tensors don't refer to `bytes`.
TensorMap parse_torch_file(std::span<const std::byte> bytes, const std::filesystem::path& file);

}  // namespace moebert
