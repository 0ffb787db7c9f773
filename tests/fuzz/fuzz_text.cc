// Text: lines to classify, cut into tokens with their places.
#include <sstream>

#include "tasks/reader.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    static const auto tokenizer = [] {
        fuzz::put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nw1\nw\n##3\na\nb\n##a\n##b\n\u4e2d\n,\n!\n");
        return Tokenizer::load(fuzz::folder());
    }();
    std::istringstream lines{std::string(fuzz::text_of(data, size))};
    fuzz::allow_errors([&] { read_lines(lines, "input"); });
    fuzz::allow_errors([&] { tokenizer.encode_plain(fuzz::text_of(data, size)); });
    return 0;
}
