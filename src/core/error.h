// Errors of the library. It never prints and never exits: it throws one of these, whose text is one line that names the
// thing, the value found and what was expected; of values that come from outside it shows what a terminal can. The
// command line turns them into a message and an exit code: 1 for an Error, 2 for a UsageError.
#pragma once

#include <fmt/core.h>

#include <filesystem>
#include <string>
#include <utility>

#include "core/printable.h"
#include "moebert/error.h"

namespace moebert {

// A file that can't be used as it is: missing, truncated, malformed or contradicting another one.
// `where` is a line ("line 12"), a key ("hidden_size") or a tensor's name; empty when the whole file is meant.
class InputError : public Error {
public:
    InputError(const std::filesystem::path& file, const std::string& where, const std::string& problem)
        : Error(message(printable(file.native(), kMostOfAName), where, printable(problem))) {}

private:
    static constexpr std::size_t kMostOfAName = 4096, kMostOfAPlace = 200;

    static std::string message(const std::string& file, const std::string& where, const std::string& problem) {
        if (where.empty()) return fmt::format("{}: {}", file, problem);
        return fmt::format("{}: {}: {}", file, printable(where, kMostOfAPlace), problem);
    }
};

constexpr std::size_t kMostOfAMessage = 5000;  // names of files are in it, whole

// fail("expected {} labels, found {}", 3, 2) throws an Error.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(printable(fmt::format(format, std::forward<Args>(args)...), kMostOfAMessage));
}

template <class... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
    throw UsageError(printable(fmt::format(format, std::forward<Args>(args)...), kMostOfAMessage));
}

}  // namespace moebert
