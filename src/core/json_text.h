// JSON as text that can always be written: bytes that are no UTF-8 (a file's name may have them) become replacement
// characters instead of an exception after the work is done.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace moebert {

// Whether no list or object lies in more than `depth` others. One that comes from a file and lies deeper may exhaust
// the stack when it is copied or written.
template <class Json>
bool is_shallow(const Json& value, int depth = 64) {
    if (!value.is_structured()) return true;
    return depth > 0 && std::ranges::all_of(value, [&](const Json& part) { return is_shallow(part, depth - 1); });
}

// On one line; with `indent` 0 or more, on many.
template <class Json>
std::string json_text(const Json& value, int indent = -1) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// A text as it is, without quotes; anything else as JSON.
template <class Json>
std::string plain_text(const Json& value) {
    return value.is_string() ? value.template get<std::string>() : json_text(value);
}

}  // namespace moebert
