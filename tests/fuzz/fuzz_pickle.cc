// Pickles, with and without classes let through: any bytes are parsed or refused with an Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.h"
#include "io/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    for (const moebert::pickle::Globals& globals : {moebert::pickle::Globals{}, {"torch FloatStorage"}}) {
        try {
            moebert::pickle::parse(bytes, "input", globals);
        } catch (const moebert::Error&) {
        }
    }
    return 0;
}
