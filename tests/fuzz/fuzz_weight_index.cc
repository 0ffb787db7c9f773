// The indexes of weights in several files.
#include "io/weight_files.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    for (const char* name : {"model.safetensors.index.json", "pytorch_model.bin.index.json"}) {
        const auto file = fuzz::put(name, fuzz::text_of(data, size));
        fuzz::allow_errors([&] { read_weights(fuzz::folder()); });
        std::filesystem::remove(file);
    }
    return 0;
}
