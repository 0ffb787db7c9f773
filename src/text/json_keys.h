// Keys of a tokenizer's JSON files: their values by type, or an InputError that names file, key and value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>

#include "core/error.h"
#include "core/json_text.h"

namespace moebert {

constexpr std::uint64_t kMostTokens = 1 << 24;

template <class T>
bool has_type_of(const nlohmann::json& value, const T&) {
    if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
    if constexpr (std::is_same_v<T, std::string>) return value.is_string();
    if constexpr (std::is_same_v<T, nlohmann::json>) return value.is_object();
    return value.is_number_unsigned() && value.get<std::uint64_t>() < kMostTokens;
}

// Sets `value` from the object's key when it is there and not null. Integers are counts or ids.
template <class T>
void read_key(const nlohmann::json& object, const char* key, const std::filesystem::path& file, T& value) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return;
    if (!has_type_of(*found, value))
        throw InputError(file, key, "has the value " + json_text(*found) + ", expected another type or range");
    value = found->template get<T>();
}

template <class T>
void read_key(const nlohmann::json& object, const char* key, const std::filesystem::path& file,
              std::optional<T>& value) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return;
    T given{};
    read_key(object, key, file, given);
    value = given;
}

}  // namespace moebert
