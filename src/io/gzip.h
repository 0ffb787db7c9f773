// Gzip files (RFC 1952), by zlib.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace moebert {

bool is_gzip(std::span<const std::byte> bytes);  // by its first two bytes

// What the members of a gzip file hold, one after the other. Throws an InputError naming `file` when it is damaged, or
// grows far beyond what text does.
std::string gunzip(std::span<const std::byte> bytes, const std::filesystem::path& file);

}  // namespace moebert
