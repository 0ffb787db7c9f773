// A gzip file: what it holds, or an error.
#include "io/gzip.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    fuzz::allow_errors([&] { gunzip(fuzz::bytes_of(data, size), "input.gz"); });
    return 0;
}
