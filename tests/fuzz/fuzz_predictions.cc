// Files of answers to be scored.
#include "tasks/squad_metrics.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    const auto file = fuzz::put("input.json", fuzz::text_of(data, size));
    fuzz::allow_errors([&] {
        for (const auto& [id, answer] : read_predictions(file)) normalize_answer(answer);
    });
    fuzz::allow_errors([&] { read_no_answer_odds(file); });
    return 0;
}
