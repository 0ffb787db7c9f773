// Python pickles as data. The reader knows None, bool, int, float, str, list, tuple and dict of protocols 0 to 5; it
// never imports or calls anything. Classes that a caller lists come back as records of what would have been called.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace moebert::pickle {

struct Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<Value, Value>>;  // in the file's order; keys are strings or ints, no two alike
struct Tuple {
    List items;
};
// A listed global ("torch FloatStorage", no arguments), a call of one (name and arguments), or a persistent id (the
// name is `persistent_id`, the id is the one argument). Only in files read with a list of globals.
struct Object {
    std::string name;
    List arguments;
};
inline const std::string persistent_id = "persistent id";

struct Value {
    std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Tuple, Dict, Object> data;

    Value() = default;  // None
    Value(bool value) : data(value) {}
    Value(int value) : data(std::int64_t{value}) {}
    Value(std::int64_t value) : data(value) {}
    Value(double value) : data(value) {}
    Value(std::string value) : data(std::move(value)) {}
    Value(const char* value) : data(std::string(value)) {}
    Value(List value) : data(std::move(value)) {}
    Value(Tuple value) : data(std::move(value)) {}
    Value(Dict value) : data(std::move(value)) {}
    Value(Object value) : data(std::move(value)) {}
};

// Names of globals as pickles spell them, "module name" ("torch FloatStorage").
// collections.OrderedDict is always known and read as a Dict.
using Globals = std::set<std::string>;

// Throws an InputError for a malformed or truncated file, a global that isn't listed, or anything else refused.
Value read(const std::filesystem::path& file);
Value parse(std::span<const std::byte> bytes, const std::filesystem::path& file, const Globals& globals = {});

// One pickle that others may follow: it is taken off `bytes`.
Value parse_next(std::span<const std::byte>& bytes, const std::filesystem::path& file, const Globals& globals = {});

// Protocol 2, which every Python 2.3+ loads. Objects can't be written (an Error).
std::string serialize(const Value& value);
void write(const std::filesystem::path& file, const Value& value);  // atomically

const char* type_name(const Value& value);  // "a list", for messages

// The value as a type, or an InputError "FILE: WHERE: expected a list, found a dict".
const List& expect_list(const Value& value, const std::filesystem::path& file, const std::string& where);  // or tuple
const Dict& expect_dict(const Value& value, const std::filesystem::path& file, const std::string& where);
const std::string& expect_string(const Value& value, const std::filesystem::path& file, const std::string& where);
std::int64_t expect_int(const Value& value, const std::filesystem::path& file, const std::string& where);
double expect_number(const Value& value, const std::filesystem::path& file, const std::string& where);  // int or float

const Value* find(const Dict& dict, const std::string& key);  // null when absent

}  // namespace moebert::pickle
