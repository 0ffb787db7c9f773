#include "io/pickle_opcodes.h"

#include <fmt/format.h>

#include <map>

namespace moebert::pickle::op {

std::string name(std::uint8_t opcode) {
    static const std::map<std::uint8_t, std::string> refused = {
        {'P', "PERSID"},          {'i', "INST"},       {'o', "OBJ"},         {0x81, "NEWOBJ"},
        {0x82, "EXT1"},           {0x83, "EXT2"},      {0x84, "EXT4"},       {'B', "BINBYTES"},
        {'C', "SHORT_BINBYTES"},  {0x8e, "BINBYTES8"}, {0x8f, "EMPTY_SET"},  {0x90, "ADDITEMS"},
        {0x91, "FROZENSET"},      {0x92, "NEWOBJ_EX"}, {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"},
        {0x98, "READONLY_BUFFER"}};
    const auto found = refused.find(opcode);
    return found == refused.end() ? fmt::format("0x{:02x}", opcode) : found->second;
}

}  // namespace moebert::pickle::op
