// The log of a run that is gone, train_log.jsonl, where it is resumed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace moebert {

// The event that ends a log.
constexpr const char* kFinalEvent = "final";

// The lines of steps up to `last`, without the one that ended the log. What is left out, a torn last line among it,
// will be written again.
std::string lines_up_to(std::string_view log, std::int64_t last);

}  // namespace moebert
