// Examples in .json and .jsonl files.
#include "tasks/reader.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    for (const char* name : {"input.jsonl", "input.json"})
        fuzz::allow_errors([&] { read_examples(fuzz::put(name, fuzz::text_of(data, size))); });
    return 0;
}
