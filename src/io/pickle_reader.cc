// The pickle machine: a stack, a memo and one opcode after the other.
#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "io/file.h"
#include "io/pickle.h"
#include "io/pickle_nodes.h"
#include "io/pickle_opcodes.h"
#include "io/pickle_text.h"

namespace moebert::pickle {
namespace {

constexpr std::size_t max_file_size = std::size_t{1} << 28;
constexpr const char* ordered_dict = "collections OrderedDict";

// Reads the opcodes' arguments, little endian.
class Cursor {
public:
    Cursor(std::span<const std::byte> bytes, const Refuser& refuser) : rest_(bytes), refuser_(refuser) {}

    std::span<const std::byte> rest() const { return rest_; }

    std::string_view take(std::uint64_t count) {
        if (count > rest_.size()) refuser_.malformed("truncated");
        const std::string_view taken(reinterpret_cast<const char*>(rest_.data()), count);
        rest_ = rest_.subspan(count);
        return taken;
    }

    template <class T>
    T number() {
        T value;
        std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
        return value;
    }

    double big_endian_double() { return std::bit_cast<double>(__builtin_bswap64(number<std::uint64_t>())); }

    std::string_view line() {
        const std::string_view all(reinterpret_cast<const char*>(rest_.data()), rest_.size());
        const auto end = all.find('\n');
        if (end == std::string_view::npos) refuser_.malformed("truncated");
        take(end + 1);
        return all.substr(0, end);
    }

private:
    std::span<const std::byte> rest_;
    const Refuser& refuser_;
};

class Machine {
public:
    Machine(std::span<const std::byte> bytes, const std::filesystem::path& file, const Globals& globals)
        : refuser_(file), cursor_(bytes, refuser_), globals_(globals) {}

    Value run() {
        while (step(cursor_.number<std::uint8_t>())) {
        }
        if (!marks_.empty() || stack_.size() != 1) refuser_.malformed("it doesn't end with one value");
        return expand(nodes_, stack_.back(), refuser_);
    }

    std::span<const std::byte> rest() const { return cursor_.rest(); }
    [[noreturn]] void refuse_rest() const { refuser_.malformed("bytes after its end"); }

private:
    // False at the end of the pickle.
    bool step(std::uint8_t opcode) {
        if (opcode == op::stop) return false;
        if (!frame(opcode) && !scalar(opcode) && !container(opcode) && !stack(opcode) && !memo(opcode) &&
            !object(opcode)) {
            refuser_.refuse(fmt::format("not plain data: the pickle's opcode {} is refused", op::name(opcode)));
        }
        return true;
    }

    bool frame(std::uint8_t opcode) {
        switch (opcode) {
            case op::proto:
                check_protocol(cursor_.number<std::uint8_t>());
                return true;
            case op::frame:
                cursor_.take(8);
                return true;  // a hint for buffering
            default:
                return false;
        }
    }

    bool scalar(std::uint8_t opcode) {
        switch (opcode) {
            case op::none:
                push({});
                return true;
            case op::new_true:
                push(true);
                return true;
            case op::new_false:
                push(false);
                return true;
            case op::bin_int:
                push(std::int64_t{cursor_.number<std::int32_t>()});
                return true;
            case op::bin_int1:
                push(std::int64_t{cursor_.number<std::uint8_t>()});
                return true;
            case op::bin_int2:
                push(std::int64_t{cursor_.number<std::uint16_t>()});
                return true;
            case op::int_text:
                push_int_text(cursor_.line());
                return true;
            case op::long_text:
                push_long_text(cursor_.line());
                return true;
            case op::long1:
                push(long_value(cursor_.take(cursor_.number<std::uint8_t>())));
                return true;
            case op::long4:
                push(long_value(cursor_.take(cursor_.number<std::uint32_t>())));
                return true;
            case op::bin_float:
                push(cursor_.big_endian_double());
                return true;
            case op::float_text:
                push(parse_number<double>(cursor_.line()));
                return true;
            default:
                return text(opcode);
        }
    }

    bool text(std::uint8_t opcode) {
        switch (opcode) {
            case op::short_bin_string:
            case op::short_bin_unicode:
                push_text(cursor_.number<std::uint8_t>());
                return true;
            case op::bin_string:
            case op::bin_unicode:
                push_text(cursor_.number<std::uint32_t>());
                return true;
            case op::bin_unicode8:
                push_text(cursor_.number<std::uint64_t>());
                return true;
            case op::string_text:
                push_decoded(decode_string_literal(cursor_.line()));
                return true;
            case op::unicode_text:
                push_decoded(decode_raw_unicode(cursor_.line()));
                return true;
            default:
                return false;
        }
    }

    bool container(std::uint8_t opcode) {
        switch (opcode) {
            case op::empty_list:
                push(ListNode{});
                return true;
            case op::empty_tuple:
                push(TupleNode{});
                return true;
            case op::empty_dict:
                push(DictNode{});
                return true;
            case op::list:
                push(ListNode{pop_to_mark()});
                return true;
            case op::tuple:
                push(TupleNode{pop_to_mark()});
                return true;
            case op::dict:
                push(DictNode{even(pop_to_mark())});
                return true;
            case op::tuple1:
            case op::tuple2:
            case op::tuple3:
                push(TupleNode{pop(opcode - op::tuple1 + 1)});
                return true;
            case op::append:
                extend<ListNode>(pop(1));
                return true;
            case op::appends:
                extend<ListNode>(pop_to_mark());
                return true;
            case op::set_item:
                extend<DictNode>(pop(2));
                return true;
            case op::set_items:
                extend<DictNode>(even(pop_to_mark()));
                return true;
            default:
                return false;
        }
    }

    bool stack(std::uint8_t opcode) {
        switch (opcode) {
            case op::mark:
                check_size(marks_.size());
                marks_.push_back(stack_.size());
                return true;
            case op::pop:
                pop(1);
                return true;
            case op::pop_mark:
                pop_to_mark();
                return true;
            case op::dup:
                push_again(top());
                return true;
            default:
                return false;
        }
    }

    bool memo(std::uint8_t opcode) {
        switch (opcode) {
            case op::put:
                put(parse_number<std::uint32_t>(cursor_.line()));
                return true;
            case op::bin_put:
                put(cursor_.number<std::uint8_t>());
                return true;
            case op::long_bin_put:
                put(cursor_.number<std::uint32_t>());
                return true;
            case op::memoize:
                put(memo_.size());
                return true;
            case op::get:
                get(parse_number<std::uint32_t>(cursor_.line()));
                return true;
            case op::bin_get:
                get(cursor_.number<std::uint8_t>());
                return true;
            case op::long_bin_get:
                get(cursor_.number<std::uint32_t>());
                return true;
            default:
                return false;
        }
    }

    bool object(std::uint8_t opcode) {
        switch (opcode) {
            case op::global:
                push_global_text();
                return true;
            case op::stack_global:
                push_global_from_stack();
                return true;
            case op::reduce:
                reduce();
                return true;
            case op::build:
                ignore_attributes();
                return true;
            case op::bin_pers_id:
                push_persistent_id();
                return true;
            default:
                return false;
        }
    }

    void check_protocol(int protocol) const {
        if (protocol > 5) refuser_.refuse(fmt::format("expected a pickle of protocol 0 to 5, found {}", protocol));
    }

    // Before one more of them: a byte of the file may stand for it, and take many in memory.
    void check_size(std::size_t values) const {
        if (values >= max_values) refuser_.refuse(fmt::format("holds more than {} values", max_values));
    }

    void push_again(Index index) {
        check_size(stack_.size());
        stack_.push_back(index);
    }

    void push(Node node) {
        check_size(nodes_.size());
        nodes_.push_back(std::move(node));
        push_again(static_cast<Index>(nodes_.size() - 1));
    }

    template <class T>
    T parse_number(std::string_view text) const {
        T value{};
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size()) refuser_.malformed("a number can't be read");
        return value;
    }

    // Protocol 0 writes booleans as the ints 00 and 01.
    void push_int_text(std::string_view text) {
        if (text == "00" || text == "01")
            push(text == "01");
        else
            push(parse_number<std::int64_t>(text));
    }

    void push_long_text(std::string_view text) {
        if (text.ends_with('L')) text.remove_suffix(1);
        push(parse_number<std::int64_t>(text));
    }

    // Two's complement, little endian, as many bytes as it takes.
    std::int64_t long_value(std::string_view bytes) const {
        if (bytes.size() > 8) refuser_.refuse("an integer of more than 64 bits");
        const bool negative = !bytes.empty() && static_cast<signed char>(bytes.back()) < 0;
        std::int64_t value = negative ? -1 : 0;
        std::memcpy(&value, bytes.data(), bytes.size());
        return value;
    }

    void push_text(std::uint64_t size) { push(std::string(cursor_.take(size))); }

    void push_decoded(std::optional<std::string> text) {
        if (!text) refuser_.malformed("a string can't be read");
        push(std::move(*text));
    }

    std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

    Index top() const {
        if (stack_.size() <= floor()) refuser_.malformed("its stack is empty");
        return stack_.back();
    }

    std::vector<Index> pop(std::size_t count) {
        if (stack_.size() < floor() + count) refuser_.malformed("its stack is empty");
        std::vector<Index> popped(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
        stack_.resize(stack_.size() - count);
        return popped;
    }

    std::vector<Index> pop_to_mark() {
        if (marks_.empty()) refuser_.malformed("a mark is missing");
        std::vector<Index> popped = pop(stack_.size() - marks_.back());
        marks_.pop_back();
        return popped;
    }

    std::vector<Index> even(std::vector<Index> items) const {
        if (items.size() % 2 != 0) refuser_.malformed("a key without a value");
        return items;
    }

    template <class Container>
    void extend(const std::vector<Index>& items) {
        auto* container = std::get_if<Container>(&nodes_[top()]);
        if (container == nullptr) refuser_.malformed("items for something that is no container");
        container->items.insert(container->items.end(), items.begin(), items.end());
    }

    void put(std::size_t key) {
        check_size(memo_.size());
        memo_[key] = top();
    }

    void get(std::size_t key) {
        const auto found = memo_.find(key);
        if (found == memo_.end()) refuser_.malformed(fmt::format("it refers to entry {}, which is not there", key));
        push_again(found->second);
    }

    void push_global(const std::string& module, std::string_view name) {
        std::string full = fmt::format("{} {}", module, name);
        if (full != ordered_dict && !globals_.contains(full)) {
            refuser_.refuse(fmt::format("not plain data: the pickle asks for {}.{}, which is refused", module, name));
        }
        push(ObjectNode{std::move(full), {}, true});
    }

    void push_global_text() {
        const std::string module(cursor_.line());
        push_global(module, cursor_.line());
    }

    void push_global_from_stack() {
        const auto names = pop(2);
        const auto* module = std::get_if<std::string>(&nodes_[names[0]]);
        const auto* name = std::get_if<std::string>(&nodes_[names[1]]);
        if (module == nullptr || name == nullptr) refuser_.malformed("a global without a name");
        push_global(std::string(*module), std::string(*name));
    }

    void reduce() {
        const auto operands = pop(2);
        const auto* callable = std::get_if<ObjectNode>(&nodes_[operands[0]]);
        const auto* arguments = std::get_if<TupleNode>(&nodes_[operands[1]]);
        if (callable == nullptr || !callable->callable || arguments == nullptr)
            refuser_.malformed("a call of no global");
        if (callable->name == ordered_dict) {
            push(ordered_dict_node(arguments->items));
        } else {
            count_copies(arguments->items.size());
            push(ObjectNode{callable->name, arguments->items, false});
        }
    }

    // A call copies its arguments' items, however few bytes of the file stand for it.
    void count_copies(std::size_t items) {
        copies_ += items;
        if (copies_ > max_values) refuser_.refuse(fmt::format("calls with more than {} values", max_values));
    }

    // OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]).
    Node ordered_dict_node(const std::vector<Index>& arguments) {
        if (arguments.empty()) return DictNode{};
        const auto* pairs = std::get_if<ListNode>(&nodes_[arguments[0]]);
        if (arguments.size() != 1 || pairs == nullptr) refuser_.malformed("an OrderedDict that is no list of pairs");
        count_copies(2 * pairs->items.size());
        DictNode dict;
        for (const Index pair : pairs->items) {
            const auto* items = std::get_if<ListNode>(&nodes_[pair]);
            if (items == nullptr || items->items.size() != 2)
                refuser_.malformed("an OrderedDict that is no list of pairs");
            dict.items.insert(dict.items.end(), items->items.begin(), items->items.end());
        }
        return dict;
    }

    // A state dictionary carries the attribute _metadata, the versions of its modules: nothing to do with its tensors.
    void ignore_attributes() {
        pop(1);
        if (!std::holds_alternative<DictNode>(nodes_[top()]))
            refuser_.refuse("not plain data: an object with attributes");
    }

    void push_persistent_id() {
        if (globals_.empty()) refuser_.refuse("not plain data: a reference to something outside of the file");
        push(ObjectNode{persistent_id, pop(1), false});
    }

    Refuser refuser_;
    Cursor cursor_;
    const Globals& globals_;
    std::vector<Node> nodes_;
    std::size_t copies_ = 0;
    std::vector<Index> stack_;
    std::vector<std::size_t> marks_;  // heights of the stack
    std::unordered_map<std::size_t, Index> memo_;
};

}  // namespace

Value parse(std::span<const std::byte> bytes, const std::filesystem::path& file, const Globals& globals) {
    if (bytes.size() > max_file_size) {
        throw InputError(file, "",
                         fmt::format("expected a pickle of at most {} bytes, found {}", max_file_size, bytes.size()));
    }
    Machine machine(bytes, file, globals);
    auto value = machine.run();
    if (!machine.rest().empty()) machine.refuse_rest();
    return value;
}

Value parse_next(std::span<const std::byte>& bytes, const std::filesystem::path& file, const Globals& globals) {
    Machine machine(bytes.first(std::min(bytes.size(), max_file_size)), file, globals);
    auto value = machine.run();
    bytes = bytes.subspan(std::min(bytes.size(), max_file_size) - machine.rest().size());
    return value;
}

Value read(const std::filesystem::path& file) {
    const MappedFile mapped(file);
    return parse(mapped.bytes(), file);
}

}  // namespace moebert::pickle
