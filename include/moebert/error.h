// What the library throws. The text is one line that names the thing, the value found and what was expected.
#pragma once

#include <stdexcept>

namespace moebert {

// The job failed. A file that can't be used as it is, is one of these too.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// An option has a value that is none, or that this model or processor can't have.
class UsageError : public Error {
public:
    using Error::Error;
};

}  // namespace moebert
