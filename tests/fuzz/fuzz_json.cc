// JSON, with all that a caller can watch.
#include "io/json.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    using Event = nlohmann::json::parse_event_t;
    std::vector<std::string> keys;
    const auto watch = [](int depth, Event event, nlohmann::json&) { return depth % 3 != 2 || event == Event::key; };
    fuzz::allow_errors([&] { parse_json(fuzz::text_of(data, size), "input", {.keys = &keys, .watch = watch}).dump(); });
    return 0;
}
