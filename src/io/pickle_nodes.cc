#include "io/pickle_nodes.h"

#include <fmt/format.h>

#include <set>

namespace moebert::pickle {
namespace {

class Expander {
public:
    Expander(const std::vector<Node>& nodes, const Refuser& refuser) : nodes_(nodes), refuser_(refuser) {}

    Value expand(Index index, int depth = 0) {
        if (depth > max_depth)
            refuser_.refuse(fmt::format("nests deeper than {} levels, or contains itself", max_depth));
        spend(1);
        return std::visit([&](const auto& node) { return copy(node, depth + 1); }, nodes_[index]);
    }

private:
    void spend(std::size_t cost) {
        if (cost > left_) refuser_.refuse(fmt::format("holds more than {} values", max_values));
        left_ -= cost;
    }

    template <class Scalar>
    Value copy(const Scalar& value, int) {
        if constexpr (std::is_same_v<Scalar, std::string>) spend(value.size() / sizeof(Value));
        if constexpr (std::is_same_v<Scalar, std::monostate>)
            return {};
        else
            return Value(value);
    }
    Value copy(const ListNode& list, int depth) { return Value(expand_all(list.items, depth)); }
    Value copy(const TupleNode& tuple, int depth) { return Value(Tuple{expand_all(tuple.items, depth)}); }
    Value copy(const ObjectNode& object, int depth) {
        spend(object.name.size() / sizeof(Value));
        return Value(Object{object.name, expand_all(object.arguments, depth)});
    }
    Value copy(const DictNode& node, int depth) {
        Dict dict;
        std::set<std::variant<std::int64_t, std::string>> seen;
        for (std::size_t i = 0; i < node.items.size(); i += 2) {
            if (!seen.insert(key(node.items[i])).second) refuser_.refuse("a dict holds a key twice");
            dict.emplace_back(expand(node.items[i], depth), expand(node.items[i + 1], depth));
        }
        return Value(std::move(dict));
    }

    List expand_all(const std::vector<Index>& items, int depth) {
        List list;
        for (const Index item : items) list.push_back(expand(item, depth));
        return list;
    }

    std::variant<std::int64_t, std::string> key(Index index) const {
        if (const auto* number = std::get_if<std::int64_t>(&nodes_[index])) return *number;
        if (const auto* text = std::get_if<std::string>(&nodes_[index])) return *text;
        refuser_.refuse("expected the keys of a dict to be strings or ints");
    }

    const std::vector<Node>& nodes_;
    const Refuser& refuser_;
    std::size_t left_ = max_values;
};

}  // namespace

Value expand(const std::vector<Node>& nodes, Index root, const Refuser& refuser) {
    return Expander(nodes, refuser).expand(root);
}

}  // namespace moebert::pickle
