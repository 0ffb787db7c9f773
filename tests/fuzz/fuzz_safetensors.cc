// safetensors.
#include "io/safetensors.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    fuzz::allow_errors([&] {
        Metadata metadata;
        parse_safetensors(fuzz::bytes_of(data, size), nullptr, "input", &metadata);
    });
    return 0;
}
