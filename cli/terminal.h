// Messages and progress on standard error.
#pragma once

#include "core/sink.h"

namespace moebert::cli {

// Lines for info and warnings; a progress bar with rate and time left, only when standard error is a terminal.
Sink terminal_sink();

}  // namespace moebert::cli
