// The two ways in which protocol 0 writes strings on a line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace moebert::pickle {

// Python 2's repr: quotes around, \\ \' \" \n \r \t \xHH inside. Nothing when it is not that.
std::optional<std::string> decode_string_literal(std::string_view line);

// Python's raw-unicode-escape: Latin-1 but for \uXXXX and \UXXXXXXXX; to UTF-8.
std::optional<std::string> decode_raw_unicode(std::string_view line);

}  // namespace moebert::pickle
