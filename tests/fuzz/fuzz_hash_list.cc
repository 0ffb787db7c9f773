// Lists of the expert of each token.
#include "moe/hash_table.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    const auto file = fuzz::put("input.pkl", fuzz::text_of(data, size));
    for (const int vocab_size : {1, 4, 97}) fuzz::allow_errors([&] { load_hash_list(file, vocab_size, 4); });
    return 0;
}
