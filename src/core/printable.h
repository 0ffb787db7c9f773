// Text out of files that nobody vouches for, in messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace moebert {

// The text on one line that does nothing to a terminal: control characters and what isn't UTF-8 as \x1B, marks that
// change the direction or end a line as \u202E. Of more than `most` bytes the middle is left out.
std::string printable(std::string_view text, std::size_t most = 1000);

}  // namespace moebert
