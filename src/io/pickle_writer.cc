#include <bit>

#include "core/error.h"
#include "io/file.h"
#include "io/pickle.h"
#include "io/pickle_opcodes.h"

namespace moebert::pickle {
namespace {

class Writer {
public:
    std::string write(const Value& value) {
        put(op::proto, 2);
        append(value);
        put(op::stop);
        return std::move(output_);
    }

private:
    void append(const Value& value) {
        std::visit([this](const auto& data) { append_data(data); }, value.data);
    }

    void append_data(std::monostate) { put(op::none); }
    void append_data(bool value) { put(value ? op::new_true : op::new_false); }
    void append_data(double value) {
        put(op::bin_float);
        put_number(__builtin_bswap64(std::bit_cast<std::uint64_t>(value)));
    }
    void append_data(std::int64_t value) {
        if (value == static_cast<std::int32_t>(value)) {
            put(op::bin_int);
            put_number(static_cast<std::int32_t>(value));
        } else {
            put(op::long1, sizeof(value));
            put_number(value);
        }
    }
    void append_data(const std::string& text) {
        if (text.size() > UINT32_MAX) fail("a string of {} bytes is too long for a pickle", text.size());
        put(op::bin_unicode);
        put_number(static_cast<std::uint32_t>(text.size()));
        output_ += text;
    }
    void append_data(const List& list) {
        put(op::empty_list);
        put(op::mark);
        for (const Value& item : list) append(item);
        put(op::appends);
    }
    void append_data(const Tuple& tuple) {
        put(op::mark);
        for (const Value& item : tuple.items) append(item);
        put(op::tuple);
    }
    void append_data(const Dict& dict) {
        put(op::empty_dict);
        put(op::mark);
        for (const auto& [key, item] : dict) {
            append(key);
            append(item);
        }
        put(op::set_items);
    }
    [[noreturn]] void append_data(const Object& object) { fail("an object ({}) can't be pickled", object.name); }

    void put(std::uint8_t opcode) { output_ += static_cast<char>(opcode); }
    void put(std::uint8_t opcode, std::uint8_t argument) {
        put(opcode);
        put(argument);
    }
    template <class T>
    void put_number(T number) {
        output_.append(reinterpret_cast<const char*>(&number), sizeof(number));
    }

    std::string output_;
};

}  // namespace

std::string serialize(const Value& value) { return Writer().write(value); }

void write(const std::filesystem::path& file, const Value& value) { write_file_atomically(file, serialize(value)); }

}  // namespace moebert::pickle
