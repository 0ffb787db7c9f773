// Messages and progress on standard error. Nothing else writes there.
#pragma once

#include <string_view>

#include "core/sink.h"

namespace moebert::cli {

// What can't be written, on a full disk or after its reader has gone, is lost; the work goes on.
void put_on_standard_error(std::string_view text);

// Of the three standard streams, those that are closed become ones that can't be read or written: a file that is opened
// later would take their place, and the messages.
void keep_standard_streams();

// Lines for info and warnings; a progress bar with rate and time left, only when standard error is a terminal.
Sink terminal_sink();

}  // namespace moebert::cli
