// The JSON files of a training checkpoint: checksums.json and trainer_state.json.
#include "train/training_checkpoint.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    fuzz::put("checksums.json", fuzz::text_of(data, size));
    fuzz::put("trainer_state.json", fuzz::text_of(data, size));
    fuzz::put("config.json", "{}");
    // An empty file of tensors.
    fuzz::put("optimizer.safetensors", std::string_view("\x02\0\0\0\0\0\0\0{}", 10));
    fuzz::allow_errors([&] { check_checkpoint(fuzz::folder()); });
    fuzz::allow_errors([&] { load_training_remains(fuzz::folder()); });
    return 0;
}
