// SIGINT and SIGTERM while something is going on that should be brought to an end in order.
#pragma once

#include <csignal>
#include <string>

#include "core/error.h"

namespace moebert {

// The job was stopped by a signal, and saved what it had. The exit code of a program is 128 + signal, as a shell's.
class Interrupted : public Error {
public:
    Interrupted(int signal, const std::string& message) : Error(message), signal_(signal) {}
    int signal() const { return signal_; }

private:
    int signal_;
};

// While it lives, a first SIGINT or SIGTERM is only noted; a second one ends the process at once. One at a time.
class InterruptGuard {
public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    int caught() const;  // 0: none so far

private:
    struct sigaction interrupt_ {
    }, terminate_{};  // what was there before
};

}  // namespace moebert
