// safetensors: any bytes are parsed or refused with an Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.h"
#include "io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    try {
        moebert::parse_safetensors(bytes, nullptr, "input");
    } catch (const moebert::Error&) {
    }
    return 0;
}
