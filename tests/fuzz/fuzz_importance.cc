// Files of importance scores: ours and the authors.
#include "moe/importance.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    for (const char* name : {"input.safetensors", "input.pkl"}) {
        const auto file = fuzz::put(name, fuzz::text_of(data, size));
        fuzz::allow_errors([&] { merge_importance({file}); });
        fuzz::allow_errors([&] { merge_importance({file, file}); });
    }
    return 0;
}
