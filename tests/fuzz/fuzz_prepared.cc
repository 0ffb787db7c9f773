// Prepared checkpoints: the file of packed weights. Its checksum is mended, so that what comes after it is reached.
#include "core/hash.h"
#include "engine/prepared.h"
#include "io/safetensors.h"
#include "small_model.h"

namespace {

using namespace moebert;

std::string digest_of(const TensorMap& tensors) {
    Digest digest;
    for (const auto& [name, tensor] : tensors) {
        digest.update(name);
        digest.update(tensor.bytes);
    }
    return digest.hex();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto directory = fuzz::folder() / "prepared";
    static const auto whole = [] {
        engine::prepare(fuzz::small_model("model", "SequenceClassification"), engine::Precision::fp32, directory);
        return engine::prepared_metadata(directory);
    }();
    const auto file = directory / "prepared.safetensors";
    fuzz::allow_errors([&] {
        fuzz::put("prepared/prepared.safetensors", fuzz::text_of(data, size));
        engine::load_prepared(directory);
    });
    fuzz::allow_errors([&] {
        Metadata metadata;
        const auto tensors = parse_safetensors(fuzz::bytes_of(data, size), nullptr, "input", &metadata);
        for (const char* key : {"format", "version", "target", "config"}) metadata[key] = whole.at(key);
        metadata["digest"] = digest_of(tensors);
        write_safetensors(file, tensors, metadata);
        engine::load_prepared(directory);
    });
    return 0;
}
