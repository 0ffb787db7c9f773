#include "io/pickle.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace moebert::pickle {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const Value& value, const char* expected, const fs::path& file, const std::string& where) {
    throw InputError(file, where, fmt::format("expected {}, found {}", expected, type_name(value)));
}

template <class T>
const T& expect(const Value& value, const char* expected, const fs::path& file, const std::string& where) {
    if (const T* data = std::get_if<T>(&value.data)) return *data;
    refuse(value, expected, file, where);
}

}  // namespace

const char* type_name(const Value& value) {
    constexpr const char* names[] = {"None",   "a bool",  "an int", "a float",  "a string",
                                     "a list", "a tuple", "a dict", "an object"};
    return names[value.data.index()];
}

const List& expect_list(const Value& value, const fs::path& file, const std::string& where) {
    if (const Tuple* tuple = std::get_if<Tuple>(&value.data)) return tuple->items;
    return expect<List>(value, "a list", file, where);
}

const Dict& expect_dict(const Value& value, const fs::path& file, const std::string& where) {
    return expect<Dict>(value, "a dict", file, where);
}

const std::string& expect_string(const Value& value, const fs::path& file, const std::string& where) {
    return expect<std::string>(value, "a string", file, where);
}

std::int64_t expect_int(const Value& value, const fs::path& file, const std::string& where) {
    return expect<std::int64_t>(value, "an int", file, where);
}

double expect_number(const Value& value, const fs::path& file, const std::string& where) {
    if (const auto* number = std::get_if<std::int64_t>(&value.data)) return static_cast<double>(*number);
    return expect<double>(value, "a number", file, where);
}

const Value* find(const Dict& dict, const std::string& key) {
    const auto found = std::find_if(dict.begin(), dict.end(), [&](const auto& item) {
        const auto* text = std::get_if<std::string>(&item.first.data);
        return text != nullptr && *text == key;
    });
    return found == dict.end() ? nullptr : &found->second;
}

}  // namespace moebert::pickle
