// The environment that launchers set: variables NAME=VALUE between bytes 0xFE.
#include <map>

#include "core/world.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    std::map<std::string, std::string> variables;
    for (const auto& part : fuzz::parts_of(fuzz::text_of(data, size)))
        if (const auto equals = part.find('='); equals != std::string::npos)
            variables[part.substr(0, equals)] = part.substr(equals + 1);
    fuzz::allow_errors([&] {
        const auto world = read_world([&](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        });
        if (world.rank < 0 || world.rank >= world.size || world.local_rank < 0 ||
            world.local_rank >= world.local_size || world.master_port < 1 || world.master_port > 65535)
            __builtin_trap();
    });
    return 0;
}
