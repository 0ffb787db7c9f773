// The safetensors format: 8 bytes of header length (little endian), a JSON header, the tensors' bytes.
// https://huggingface.co/docs/safetensors
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "io/file.h"
#include "io/tensor.h"

namespace moebert {

using Metadata = std::map<std::string, std::string>;

// The tensors are views of the mapped file; only misaligned ones are copied. The header's `__metadata__` goes to
// `metadata` when given. Anything but a well-formed file is an InputError.
TensorMap read_safetensors(const std::filesystem::path& file, Metadata* metadata = nullptr);

// The same from bytes in memory, which `owner` keeps alive; `file` is named in errors.
TensorMap parse_safetensors(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                            const std::filesystem::path& file, Metadata* metadata = nullptr);

// Written atomically; the same tensors and metadata always give the same bytes.
// Into a file that is open.
void write_safetensors(AtomicFile& file, const TensorMap& tensors, const Metadata& metadata = {});

void write_safetensors(const std::filesystem::path& file, const TensorMap& tensors, const Metadata& metadata = {});

}  // namespace moebert
