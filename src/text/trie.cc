#include "text/trie.h"

#include <algorithm>
#include <queue>

namespace moebert {

// Places the nodes of sorted strings breadth first.
class Trie::Builder {
public:
    Builder(std::span<const Entry> entries, std::vector<Node>& nodes) : entries_(entries), nodes_(nodes) { reserve(1); }

    void build() {
        open_.push({root, 0, entries_.size(), 0});
        nodes_[root].parent = no_node - 1;  // taken, and no node's child
        next_free_[root] = root + 1;
        for (; !open_.empty(); open_.pop()) place_children(open_.front());
    }

private:
    // The entries [begin, end) share the `depth` bytes that lead to `node`.
    struct Open {
        std::uint32_t node;
        std::size_t begin, end, depth;
    };

    std::uint8_t byte_at(std::size_t entry, std::size_t depth) const {
        return static_cast<std::uint8_t>(entries_[entry].first[depth]);
    }

    void place_children(Open open) {
        if (entries_[open.begin].first.size() == open.depth) nodes_[open.node].value = entries_[open.begin++].second;
        std::vector<std::pair<std::uint8_t, std::size_t>> children;  // byte, first entry
        for (std::size_t i = open.begin; i < open.end; ++i) {
            const std::uint8_t byte = byte_at(i, open.depth);
            if (children.empty() || children.back().first != byte) children.emplace_back(byte, i);
        }
        if (children.empty()) return;
        const std::uint32_t base = find_base(children);
        nodes_[open.node].base = base;
        for (std::size_t i = 0; i < children.size(); ++i) {
            const std::uint32_t place = base + children[i].first;
            nodes_[place].parent = open.node;
            next_free_[place] = place + 1;
            open_.push({place, children[i].second, i + 1 < children.size() ? children[i + 1].second : open.end,
                        open.depth + 1});
        }
    }

    // First fit, but after some tries the end of the array: a denser array isn't worth the search.
    template <class Children>
    std::uint32_t find_base(const Children& children) {
        constexpr int most_tries = 100;
        const std::uint8_t first = children.front().first;
        std::uint32_t place = free_from(256);
        for (int tries = 0;; place = free_from(place + 1), ++tries) {
            if (tries == most_tries) place = static_cast<std::uint32_t>(nodes_.size());
            reserve(place + 1);
            const std::uint32_t base = place - first;
            if (std::all_of(children.begin(), children.end(),
                            [&](const auto& child) { return nodes_[base + child.first].parent == no_node; })) {
                return base;
            }
        }
    }

    // The first free place from `place` on; chains of taken places are shortened on the way.
    std::uint32_t free_from(std::uint32_t place) {
        std::uint32_t found = place;
        while (found < next_free_.size() && next_free_[found] != found) found = next_free_[found];
        while (place < found) place = std::exchange(next_free_[place], found);
        return found;
    }

    // Room for `size` places and, so that child() stays inside, any byte beyond them.
    void reserve(std::size_t size) {
        const std::size_t wanted = size + 256;
        if (nodes_.size() >= wanted) return;
        nodes_.resize(wanted);
        while (next_free_.size() < wanted) next_free_.push_back(static_cast<std::uint32_t>(next_free_.size()));
    }

    std::span<const Entry> entries_;
    std::vector<Node>& nodes_;
    std::vector<std::uint32_t> next_free_;  // itself when free
    std::queue<Open> open_;
};

Trie::Trie(std::vector<Entry> entries) {
    std::erase_if(entries, [](const Entry& entry) { return entry.first.empty(); });
    std::reverse(entries.begin(), entries.end());
    const auto by_string = [](const Entry& a, const Entry& b) { return a.first < b.first; };
    std::stable_sort(entries.begin(), entries.end(), by_string);
    const auto same = [](const Entry& a, const Entry& b) { return a.first == b.first; };
    entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
    Builder builder(entries, nodes_);
    if (!entries.empty()) builder.build();
}

std::uint32_t Trie::walk(std::uint32_t node, std::string_view bytes) const {
    for (const char byte : bytes) {
        node = child(node, static_cast<std::uint8_t>(byte));
        if (node == no_node) break;
    }
    return node;
}

std::int32_t Trie::find(std::string_view bytes) const {
    const std::uint32_t node = walk(root, bytes);
    return node == no_node ? no_value : value(node);
}

Trie::Match Trie::longest(std::uint32_t node, std::string_view bytes) const {
    Match match;
    for (std::uint32_t i = 0; i < bytes.size(); ++i) {
        node = child(node, static_cast<std::uint8_t>(bytes[i]));
        if (node == no_node) break;
        if (value(node) != no_value) match = {value(node), i + 1};
    }
    return match;
}

std::vector<Trie::Entry> entries_of(const std::vector<std::string>& vocabulary) {
    std::vector<Trie::Entry> entries;
    entries.reserve(vocabulary.size());
    for (const std::string& token : vocabulary) entries.emplace_back(token, static_cast<std::int32_t>(entries.size()));
    return entries;
}

}  // namespace moebert
