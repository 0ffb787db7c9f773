// A set of byte strings with a number each, for finding the longest one at a place in a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moebert {

// A double-array trie (Aoe 1989): the child of node n by byte b is node base[n] + b, if that node's parent is n.
class Trie {
public:
    static constexpr std::uint32_t root = 0;
    static constexpr std::uint32_t no_node = ~std::uint32_t{0};
    static constexpr std::int32_t no_value = -1;

    using Entry = std::pair<std::string_view, std::int32_t>;

    // Of entries with the same string the last one counts; an empty string is not kept. The strings need not outlive
    // this.
    explicit Trie(std::vector<Entry> entries);

    std::uint32_t child(std::uint32_t node, std::uint8_t byte) const {
        const std::uint32_t next = nodes_[node].base + byte;
        return nodes_[next].parent == node ? next : no_node;
    }

    std::int32_t value(std::uint32_t node) const { return nodes_[node].value; }

    // The node reached from `node` by all of `bytes`, or no_node.
    std::uint32_t walk(std::uint32_t node, std::string_view bytes) const;

    // The value of exactly this string, or no_value.
    std::int32_t find(std::string_view bytes) const;

    struct Match {
        std::int32_t value = no_value;
        std::uint32_t length = 0;  // bytes
    };

    // The longest string that `bytes` begins with, from `node` on.
    Match longest(std::uint32_t node, std::string_view bytes) const;

private:
    struct Node {
        std::uint32_t base = 0;
        std::uint32_t parent = no_node;  // of a free place: no_node
        std::int32_t value = no_value;
    };

    class Builder;
    std::vector<Node> nodes_;
};

// The tokens of a vocabulary, each with its id.
std::vector<Trie::Entry> entries_of(const std::vector<std::string>& vocabulary);

}  // namespace moebert
