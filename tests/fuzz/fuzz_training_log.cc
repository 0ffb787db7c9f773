// The log of a run that is resumed.
#include "train/log_lines.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    fuzz::allow_errors([&] { lines_up_to(fuzz::text_of(data, size), 3); });
    return 0;
}
