// vocab.txt, and a text that the tokenizer cuts with it.
#include "text/tokenizer.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    fuzz::put("vocab.txt", fuzz::text_of(data, size));
    fuzz::allow_errors([&] { Tokenizer::load(fuzz::folder()).encode_plain("w1 w2 \u00fcnaffable, \u4e2d!"); });
    return 0;
}
