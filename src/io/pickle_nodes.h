// Values while a pickle is read: they live in a table and refer to each other by index, because a pickle fills its
// lists after it has shared them. At the end they are copied out as a tree, within limits of depth and size, so that
// neither cycles nor a few bytes that stand for terabytes get through.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "core/error.h"
#include "io/pickle.h"

namespace moebert::pickle {

constexpr std::size_t max_values = std::size_t{1} << 22;
constexpr int max_depth = 100;

using Index = std::uint32_t;
struct ListNode {
    std::vector<Index> items;
};
struct TupleNode {
    std::vector<Index> items;
};
struct DictNode {
    std::vector<Index> items;  // key, value, key, value
};
struct ObjectNode {
    std::string name;
    std::vector<Index> arguments;
    bool callable = false;  // a global that was not called yet
};
using Node =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, ListNode, TupleNode, DictNode, ObjectNode>;

class Refuser {
public:
    explicit Refuser(const std::filesystem::path& file) : file_(file) {}
    [[noreturn]] void refuse(const std::string& problem) const { throw InputError(file_, "", problem); }
    [[noreturn]] void malformed(const std::string& problem) const { refuse("malformed pickle: " + problem); }

private:
    const std::filesystem::path& file_;
};

Value expand(const std::vector<Node>& nodes, Index root, const Refuser& refuser);

}  // namespace moebert::pickle
