// Questions: SQuAD files, rows, and lines.
#include <sstream>

#include "tasks/squad.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    for (const char* name : {"input.json", "input.jsonl"}) {
        const auto file = fuzz::put(name, fuzz::text_of(data, size));
        fuzz::allow_errors([&] { is_squad_file(file); });
        fuzz::allow_errors([&] { read_squad(file); });
    }
    std::istringstream lines{std::string(fuzz::text_of(data, size))};
    fuzz::allow_errors([&] { read_question_lines(lines); });
    return 0;
}
