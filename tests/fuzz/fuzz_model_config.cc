// config.json: any bytes are parsed or refused with an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "io/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        moebert::to_json(moebert::parse_model_config(text, "input"));
    } catch (const moebert::Error&) {
    }
    return 0;
}
