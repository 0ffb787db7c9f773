// Examples in a .tsv file, and GLUE.
#include "tasks/reader.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    const auto file = fuzz::put("input.tsv", fuzz::text_of(data, size));
    fuzz::allow_errors([&] { read_examples(file); });
    for (const char* name : {"cola", "mrpc", "stsb", "mnli"})
        fuzz::allow_errors([&] { read_glue_file(find_task(name), file); });
    return 0;
}
