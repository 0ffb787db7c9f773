#include "core/temporaries.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace moebert {
namespace {

// Of a fixed number, since a handler can neither wait for a lock nor take memory. More at once are not removed.
std::array<std::atomic<const char*>, 256> names{};
static_assert(std::atomic<const char*>::is_always_lock_free);

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

void end_without_temporaries(int signal) {
    remove_temporaries();
    ::signal(signal, SIG_DFL);
    ::kill(::getpid(), signal);
}

}  // namespace

Temporary::Temporary(const char* path) : slot_(-1) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        const char* none = nullptr;
        if (!names[i].compare_exchange_strong(none, path)) continue;
        slot_ = static_cast<int>(i);
        return;
    }
}

Temporary::~Temporary() {
    if (slot_ >= 0) names[static_cast<std::size_t>(slot_)] = nullptr;
}

void remove_temporaries() noexcept {
    const int error = errno;
    for (const auto& name : names)
        if (const char* path = name.load()) ::unlink(path);
    errno = error;
}

void remove_temporaries_on_signals() {
    struct sigaction action {};
    action.sa_handler = end_without_temporaries;
    action.sa_flags = SA_NODEFER;
    sigemptyset(&action.sa_mask);
    for (const int signal : kSignals) {
        struct sigaction before {};
        if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_DFL)
            ::sigaction(signal, &action, nullptr);
    }
}

SignalsWait::SignalsWait() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : kSignals) ::sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
}

SignalsWait::~SignalsWait() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace moebert
