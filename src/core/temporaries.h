// Files that are only there while something is written. A signal that ends the process takes them along.
#pragma once

#include <csignal>

namespace moebert {

// While it lives, the file of that name is one of them. `path` must outlive it.
class Temporary {
public:
    explicit Temporary(const char* path);
    ~Temporary();
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

private:
    int slot_;
};

// May be called in a signal's handler.
void remove_temporaries() noexcept;

// For programs: SIGINT, SIGTERM and SIGHUP remove them, and end the process as they would have. One that is ignored
// stays so.
void remove_temporaries_on_signals();

// While it lives, those signals wait: for steps that belong together.
class SignalsWait {
public:
    SignalsWait();
    ~SignalsWait();
    SignalsWait(const SignalsWait&) = delete;
    SignalsWait& operator=(const SignalsWait&) = delete;

private:
    sigset_t before_;
};

}  // namespace moebert
