// What the fuzzers share. Any bytes are taken or refused with an Error; whatever else is thrown is a fault.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace moebert::fuzz {

template <class Action>
void allow_errors(Action action) {
    try {
        action();
    } catch (const Error& error) {
        // One line that a terminal can show.
        for (const unsigned char c : std::string_view(error.what()))
            if (c < 0x20 || c == 0x7F) __builtin_trap();
    }
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
    return std::as_bytes(std::span(data, size));
}

// A folder of this process's own, in memory where the system has that.
inline const std::filesystem::path& folder() {
    struct Folder {
        Folder() {
            const std::filesystem::path memory = "/dev/shm";
            const auto parent = std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
            path = parent / ("moebert-fuzz-" + std::to_string(::getpid()));
            std::filesystem::create_directories(path);
        }
        ~Folder() {
            std::error_code ignored;
            std::filesystem::remove_all(path, ignored);
        }
        std::filesystem::path path;
    };
    static const Folder made;
    return made.path;
}

inline std::filesystem::path put(const std::string& name, std::string_view content) {
    const auto file = folder() / name;
    std::ofstream(file, std::ios::binary | std::ios::trunc).write(content.data(), std::ssize(content));
    return file;
}

// The parts of the input between the bytes 0xFE, which UTF-8 doesn't have.
inline std::vector<std::string> parts_of(std::string_view text) {
    std::vector<std::string> parts(1);
    for (const char c : text)
        if (c == '\xFE')
            parts.emplace_back();
        else
            parts.back() += c;
    return parts;
}

}  // namespace moebert::fuzz
