#include "core/interrupt.h"

#include <unistd.h>

#include "core/temporaries.h"

namespace moebert {
namespace {

volatile std::sig_atomic_t caught_signal = 0;

void note(int signal) {
    if (caught_signal != 0) {
        remove_temporaries();
        ::_exit(128 + signal);
    }
    caught_signal = signal;
}

}  // namespace

InterruptGuard::InterruptGuard() {
    caught_signal = 0;
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, &interrupt_);
    ::sigaction(SIGTERM, &action, &terminate_);
}

InterruptGuard::~InterruptGuard() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGTERM, &terminate_, nullptr);
}

int InterruptGuard::caught() const { return caught_signal; }

}  // namespace moebert
