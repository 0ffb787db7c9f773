// Errors of the library. It never prints and never exits: it throws one of these, whose text is one line that names the
// thing, the value found and what was expected. The command line turns them into a message and an exit code: 1 for an
// Error, 2 for a UsageError.
#pragma once

#include <fmt/core.h>

#include <filesystem>
#include <string>
#include <utility>

#include "moebert/error.h"

namespace moebert {

// A file that can't be used as it is: missing, truncated, malformed or contradicting another one.
// `where` is a line ("line 12"), a key ("hidden_size") or a tensor's name; empty when the whole file is meant.
class InputError : public Error {
public:
    InputError(const std::filesystem::path& file, const std::string& where, const std::string& problem)
        : Error(where.empty() ? fmt::format("{}: {}", file.string(), problem)
                              : fmt::format("{}: {}: {}", file.string(), where, problem)) {}
};

// fail("expected {} labels, found {}", 3, 2) throws an Error.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
    throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace moebert
