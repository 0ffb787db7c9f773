// config.json.
#include "io/model_config.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    fuzz::allow_errors([&] { to_json(parse_model_config(fuzz::text_of(data, size), "input")); });
    return 0;
}
