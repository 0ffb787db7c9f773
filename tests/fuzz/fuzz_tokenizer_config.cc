// tokenizer_config.json, special_tokens_map.json and added_tokens.json, in three parts.
#include "text/tokenizer.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    fuzz::put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nw1\nw2\nw\n##3\n");
    const auto parts = fuzz::parts_of(fuzz::text_of(data, size));
    const char* names[] = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"};
    for (std::size_t i = 0; i < 3; ++i) fuzz::put(names[i], i < parts.size() ? parts[i] : "{}");
    fuzz::allow_errors([&] { Tokenizer::load(fuzz::folder()).encode_plain("w1 w2 [x] w3, \u4e2d!"); });
    return 0;
}
