// Examples in a .csv file.
#include "tasks/reader.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    const auto file = fuzz::put("input.csv", fuzz::text_of(data, size));
    fuzz::allow_errors([&] { read_examples(file); });
    return 0;
}
