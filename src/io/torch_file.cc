#include "io/torch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "io/file.h"
#include "io/pickle.h"
#include "io/shape.h"
#include "io/zip_archive.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;

constexpr const char* rebuild_tensor = "torch._utils _rebuild_tensor_v2";
constexpr const char* rebuild_old_tensor = "torch._utils _rebuild_tensor";
constexpr const char* rebuild_parameter = "torch._utils _rebuild_parameter";
constexpr const char* rebuild_parameter_with_state = "torch._utils _rebuild_parameter_with_state";
constexpr std::size_t max_rank = 16;

const std::map<std::string, DType>& storage_types() {
    static const std::map<std::string, DType> types = {
        {"torch DoubleStorage", DType::f64},    {"torch FloatStorage", DType::f32}, {"torch HalfStorage", DType::f16},
        {"torch BFloat16Storage", DType::bf16}, {"torch LongStorage", DType::i64},  {"torch IntStorage", DType::i32},
        {"torch ShortStorage", DType::i16},     {"torch CharStorage", DType::i8},   {"torch ByteStorage", DType::u8},
        {"torch BoolStorage", DType::boolean}};
    return types;
}

pickle::Globals known_globals() {
    pickle::Globals globals = {rebuild_tensor, rebuild_old_tensor, rebuild_parameter, rebuild_parameter_with_state};
    for (const auto& [name, dtype] : storage_types()) globals.insert(name);
    return globals;
}

// Elements of a storage as a tensor sees them: element (i, j) is at offset + i * strides[0] + j * strides[1].
struct View {
    DType dtype = DType::f32;
    std::shared_ptr<const std::vector<std::byte>> storage;
    std::int64_t offset = 0;
    Shape shape;
    Shape strides;
};

bool is_empty(const View& view) { return std::find(view.shape.begin(), view.shape.end(), 0) != view.shape.end(); }

bool is_contiguous(const View& view) {
    std::int64_t expected = 1;
    for (std::size_t i = view.shape.size(); i-- > 0;) {
        if (view.shape[i] != 1 && view.strides[i] != expected) return false;
        expected *= view.shape[i];
    }
    return true;
}

// The index of the view's last element in its storage; nothing when it overflows.
std::optional<std::int64_t> last_index(const View& view) {
    std::int64_t last = view.offset;
    for (std::size_t i = 0; i < view.shape.size(); ++i) {
        std::int64_t extent = 0;
        if (__builtin_mul_overflow(view.shape[i] - 1, view.strides[i], &extent)) return std::nullopt;
        if (__builtin_add_overflow(last, extent, &last)) return std::nullopt;
    }
    return last;
}

// Appends the elements of dimensions `dimension` and up, the first of which is at `position` (in elements).
void gather(const View& view, std::size_t dimension, std::int64_t position, std::byte*& output) {
    const std::size_t size = dtype_size(view.dtype);
    if (dimension == view.shape.size()) {
        std::memcpy(output, view.storage->data() + static_cast<std::size_t>(position) * size, size);
        output += size;
        return;
    }
    for (std::int64_t i = 0; i < view.shape[dimension]; ++i) {
        gather(view, dimension + 1, position + i * view.strides[dimension], output);
    }
}

using Bytes = std::shared_ptr<const std::vector<std::byte>>;

// The bytes of a storage, by the key that the pickle gives it.
using StorageLoader = std::function<Bytes(const std::string& key)>;

// The tensors of a dictionary that a file's pickle holds.
class Reader {
public:
    Reader(const fs::path& file, std::size_t file_size, StorageLoader load)
        : file_(file), copy_budget_(4 * file_size), load_(std::move(load)) {}

    TensorMap read(const pickle::Value& value) {
        TensorMap tensors;
        for (const auto& [key, item] : state_of(pickle::expect_dict(value, file_, ""))) {
            const std::string& name = pickle::expect_string(key, file_, "a tensor's name");
            tensors.emplace(name, read_tensor(item, name));
        }
        return tensors;
    }

private:
    [[noreturn]] void refuse(const std::string& where, const std::string& problem) const {
        throw InputError(file_, where, problem);
    }

    // Training tools write the weights beside other things: Lightning under state_dict, others as shown.
    static const pickle::Dict& state_of(const pickle::Dict& all) {
        for (const char* key : {"state_dict", "model_state_dict", "model"})
            if (const auto* found = pickle::find(all, key))
                if (const auto* state = std::get_if<pickle::Dict>(&found->data)) return *state;
        return all;
    }

    Tensor read_tensor(const pickle::Value& value, const std::string& name) {
        const pickle::List& call = expect_object(value, "a tensor", name);
        const std::string& function = std::get<pickle::Object>(value.data).name;
        if ((function == rebuild_parameter || function == rebuild_parameter_with_state) && !call.empty() &&
            is_call_of(call[0], rebuild_tensor)) {
            return read_tensor(call[0], name);
        }
        const std::size_t least = function == rebuild_tensor ? 6 : 4;
        if ((function != rebuild_tensor && function != rebuild_old_tensor) || call.size() < least)
            refuse(name, "expected a tensor, found " + function);
        return materialise(read_view(call, name), name);
    }

    static bool is_call_of(const pickle::Value& value, const char* function) {
        const auto* object = std::get_if<pickle::Object>(&value.data);
        return object != nullptr && object->name == function;
    }

    const pickle::List& expect_object(const pickle::Value& value, const char* expected, const std::string& name) const {
        const auto* object = std::get_if<pickle::Object>(&value.data);
        if (object == nullptr) refuse(name, fmt::format("expected {}, found {}", expected, pickle::type_name(value)));
        return object->arguments;
    }

    // _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
    View read_view(const pickle::List& call, const std::string& name) {
        View view;
        read_storage(call[0], name, view);
        view.offset = pickle::expect_int(call[1], file_, name);
        view.shape = read_sizes(call[2], name);
        view.strides = read_sizes(call[3], name);
        check_view(view, name);
        return view;
    }

    // ('storage', type, key, device, number of elements), and in old files None or the part that is meant
    void read_storage(const pickle::Value& value, const std::string& name, View& view) {
        const pickle::List& id = expect_object(value, "a storage", name);
        if (!is_call_of(value, pickle::persistent_id.c_str()) || id.size() != 1) refuse(name, "expected a storage");
        const pickle::List& fields = pickle::expect_list(id[0], file_, name);
        const bool is_whole = fields.size() == 6 && std::holds_alternative<std::monostate>(fields[5].data);
        if (fields.size() != 5 && !is_whole)
            refuse(name, fmt::format("expected a whole storage of 5 fields, found {}", fields.size()));
        expect_object(fields[1], "a storage type", name);
        view.dtype = storage_dtype(std::get<pickle::Object>(fields[1].data).name, name);
        view.storage = load_(pickle::expect_string(fields[2], file_, name));
        const auto expected = checked_byte_size({pickle::expect_int(fields[4], file_, name)}, view.dtype);
        if (expected != view.storage->size()) {
            refuse(name, fmt::format("its storage has {} bytes, not those of {} elements of {}", view.storage->size(),
                                     std::get<std::int64_t>(fields[4].data), dtype_name(view.dtype)));
        }
    }

    DType storage_dtype(const std::string& type, const std::string& name) const {
        const auto found = storage_types().find(type);
        if (found == storage_types().end()) refuse(name, fmt::format("expected a storage type, found {}", type));
        return found->second;
    }

    Shape read_sizes(const pickle::Value& value, const std::string& name) const {
        Shape sizes;
        for (const pickle::Value& item : pickle::expect_list(value, file_, name)) {
            sizes.push_back(pickle::expect_int(item, file_, name));
        }
        return sizes;
    }

    void check_view(const View& view, const std::string& name) const {
        const std::string layout = fmt::format("shape {} with strides {} at offset {}", to_string(view.shape),
                                               to_string(view.strides), view.offset);
        const auto negative = [](std::int64_t size) { return size < 0; };
        const bool malformed = view.shape.size() != view.strides.size() || view.shape.size() > max_rank ||
                               view.offset < 0 || std::any_of(view.shape.begin(), view.shape.end(), negative) ||
                               std::any_of(view.strides.begin(), view.strides.end(), negative) ||
                               !checked_byte_size(view.shape, view.dtype);
        if (malformed) refuse(name, layout + " is malformed");
        if (is_empty(view)) return;
        const auto last = last_index(view);
        const std::size_t elements = view.storage->size() / dtype_size(view.dtype);
        if (!last || static_cast<std::size_t>(*last) >= elements) {
            refuse(name, fmt::format("{} is outside of its storage of {} elements", layout, elements));
        }
    }

    Tensor materialise(const View& view, const std::string& name) {
        if (is_empty(view)) return {view.dtype, view.shape, {}, nullptr};
        const std::size_t size = *checked_byte_size(view.shape, view.dtype);
        if (is_contiguous(view)) {
            const std::size_t begin = static_cast<std::size_t>(view.offset) * dtype_size(view.dtype);
            return {view.dtype, view.shape, std::span(*view.storage).subspan(begin, size), view.storage};
        }
        // Strides of zero repeat elements; a tiny file must not unfold into a huge tensor.
        if (size > copy_budget_)
            refuse(name, fmt::format("takes {} bytes, more than a file of this size explains", size));
        copy_budget_ -= size;
        std::shared_ptr<std::byte[]> copy(new std::byte[size]);
        std::byte* output = copy.get();
        gather(view, 0, view.offset, output);
        return {view.dtype, view.shape, {copy.get(), size}, copy};
    }

    fs::path file_;
    std::size_t copy_budget_;
    StorageLoader load_;
};

// A zip archive with the pickle, and a file for each storage.
class ArchiveFile {
public:
    ArchiveFile(std::span<const std::byte> bytes, const fs::path& file)
        : file_(file), size_(bytes.size()), archive_(bytes, file), root_(find_root()) {
        check_byte_order();
    }

    TensorMap read() {
        const std::vector<std::byte> bytes = archive_.read(root_ + "data.pkl");
        const auto load = [this](const std::string& key) { return load_storage(key); };
        return Reader(file_, size_, load).read(pickle::parse(bytes, file_, known_globals()));
    }

private:
    [[noreturn]] void refuse(const std::string& where, const std::string& problem) const {
        throw InputError(file_, where, problem);
    }

    // All entries lie in one folder, named after the file.
    std::string find_root() const {
        for (const std::string& name : archive_.names()) {
            if (name.ends_with("/data.pkl")) return name.substr(0, name.size() - std::strlen("data.pkl"));
        }
        refuse("", "a zip archive, but not one of torch.save: data.pkl is missing");
    }

    void check_byte_order() const {
        if (!archive_.contains(root_ + "byteorder")) return;
        const std::vector<std::byte> order = archive_.read(root_ + "byteorder");
        if (std::string_view(reinterpret_cast<const char*>(order.data()), order.size()) != "little") {
            refuse("byteorder", "expected little");
        }
    }

    Bytes load_storage(const std::string& key) {
        auto& storage = storages_[key];
        if (storage == nullptr)
            storage = std::make_shared<const std::vector<std::byte>>(archive_.read(root_ + "data/" + key));
        return storage;
    }

    fs::path file_;
    std::size_t size_;
    ZipArchive archive_;
    std::string root_;  // "archive/"
    std::map<std::string, Bytes> storages_;
};

// PyTorch up to 1.5: five pickles (a magic number, the version, the machine's types, the dictionary, the storages'
// keys), and then for each storage its number of elements (int64) and its bytes.
class LegacyFile {
public:
    LegacyFile(std::span<const std::byte> bytes, const fs::path& file)
        : file_(file), size_(bytes.size()), rest_(bytes.subspan(kMagicSize)) {}

    TensorMap read() {
        check_version();
        check_machine();
        const auto state = pickle::parse_next(rest_, file_, known_globals());
        find_types(state);
        const auto keys = pickle::parse_next(rest_, file_);
        for (const auto& key : pickle::expect_list(keys, file_, "the storages"))
            take_storage(pickle::expect_string(key, file_, "the storages"));
        const auto load = [this](const std::string& key) {
            const auto found = storages_.find(key);
            if (found == storages_.end()) throw InputError(file_, "the storages", fmt::format("lack \"{}\"", key));
            return found->second;
        };
        return Reader(file_, size_, load).read(state);
    }

    static constexpr std::size_t kMagicSize = 15;

private:
    void check_version() {
        constexpr std::int64_t kVersion = 1001;
        const auto version = pickle::expect_int(pickle::parse_next(rest_, file_), file_, "the version");
        if (version != kVersion)
            throw InputError(file_, "the version", fmt::format("expected {}, found {}", kVersion, version));
    }

    void check_machine() {
        const auto machine = pickle::parse_next(rest_, file_);
        const auto* little = pickle::find(pickle::expect_dict(machine, file_, "the machine"), "little_endian");
        if (little == nullptr || !std::holds_alternative<bool>(little->data) || !std::get<bool>(little->data))
            throw InputError(file_, "little_endian", "expected true");
    }

    // The storages' types are known by the tensors that refer to them.
    void find_types(const pickle::Value& value) {
        if (const auto* list = std::get_if<pickle::List>(&value.data)) std::ranges::for_each(*list, visit());
        if (const auto* tuple = std::get_if<pickle::Tuple>(&value.data)) std::ranges::for_each(tuple->items, visit());
        if (const auto* dict = std::get_if<pickle::Dict>(&value.data))
            for (const auto& [key, item] : *dict) find_types(item);
        const auto* object = std::get_if<pickle::Object>(&value.data);
        if (object == nullptr) return;
        std::ranges::for_each(object->arguments, visit());
        if (object->name != pickle::persistent_id || object->arguments.size() != 1) return;
        const auto& fields = pickle::expect_list(object->arguments[0], file_, "a storage");
        const auto* type = fields.size() > 2 ? std::get_if<pickle::Object>(&fields[1].data) : nullptr;
        const auto known = type ? storage_types().find(type->name) : storage_types().end();
        if (known != storage_types().end())
            types_[pickle::expect_string(fields[2], file_, "a storage")] = known->second;
    }

    std::function<void(const pickle::Value&)> visit() {
        return [this](const pickle::Value& value) { find_types(value); };
    }

    std::span<const std::byte> take(std::uint64_t size) {
        if (size > rest_.size()) throw InputError(file_, "the storages", "truncated");
        const auto taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }

    void take_storage(const std::string& key) {
        std::int64_t elements = 0;
        std::memcpy(&elements, take(sizeof elements).data(), sizeof elements);
        const auto type = types_.find(key);
        if (type == types_.end())
            throw InputError(file_, "the storages", fmt::format("no tensor refers to \"{}\"", key));
        const auto size = checked_byte_size({elements}, type->second);
        if (!size) throw InputError(file_, "the storages", fmt::format("\"{}\" has {} elements", key, elements));
        const auto bytes = take(*size);
        storages_[key] = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
    }

    fs::path file_;
    std::size_t size_;
    std::span<const std::byte> rest_;
    std::map<std::string, DType> types_;
    std::map<std::string, Bytes> storages_;
};

// Files of PyTorch up to 1.5 begin with a pickle of this number, 0x1950a86a20f9469cfc6c.
bool is_legacy(std::span<const std::byte> bytes) {
    constexpr unsigned char magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    return bytes.size() >= LegacyFile::kMagicSize && std::memcmp(bytes.data() + 2, magic, sizeof(magic)) == 0;
}

}  // namespace

TensorMap parse_torch_file(std::span<const std::byte> bytes, const fs::path& file) {
    return is_legacy(bytes) ? LegacyFile(bytes, file).read() : ArchiveFile(bytes, file).read();
}

TensorMap read_torch_file(const fs::path& file) { return parse_torch_file(MappedFile(file).bytes(), file); }

}  // namespace moebert
