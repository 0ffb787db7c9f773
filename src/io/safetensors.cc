#include "io/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/error.h"
#include "io/file.h"
#include "io/json.h"
#include "io/shape.h"

namespace moebert {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::size_t length_size = 8;
constexpr std::size_t max_header_size = 100'000'000;
constexpr int max_header_depth = 3;  // header, tensor, shape

struct Entry {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
    std::size_t begin = 0;  // of its bytes, from the end of the header
    std::size_t end = 0;
};

[[noreturn]] void refuse(const fs::path& file, const std::string& where, const std::string& problem) {
    throw InputError(file, where, problem);
}

std::string_view header_text(std::span<const std::byte> bytes, const fs::path& file) {
    std::uint64_t size = 0;
    if (bytes.size() < length_size) refuse(file, "", fmt::format("truncated: {} bytes in all", bytes.size()));
    std::memcpy(&size, bytes.data(), length_size);
    if (size > max_header_size) {
        refuse(file, "", fmt::format("expected a header of at most {} bytes, found {}", max_header_size, size));
    }
    if (size > bytes.size() - length_size) {
        refuse(file, "", fmt::format("truncated: a header of {} bytes in a file of {}", size, bytes.size()));
    }
    return {reinterpret_cast<const char*>(bytes.data()) + length_size, size};
}

// A value in a message, cut short when a hostile file made it long.
std::string excerpt(const json& value) {
    const std::string text = value.dump();
    return text.size() <= 80 ? text : text.substr(0, 77) + "...";
}

// A tensor of a type that no model has can still be one that this model doesn't need.
DType parse_dtype(const json& value, const fs::path& file, const std::string& tensor) {
    constexpr DType known[] = {DType::f64, DType::f32, DType::f16, DType::bf16,    DType::i64, DType::i32, DType::i16,
                               DType::i8,  DType::u8,  DType::u16, DType::boolean, DType::u32, DType::u64};
    const auto found =
        std::find_if(std::begin(known), std::end(known), [&](DType d) { return value == dtype_name(d); });
    if (found != std::end(known)) return *found;
    if (!value.is_string())
        refuse(file, tensor, fmt::format("expected dtype to be a string, found {}", excerpt(value)));
    return DType::other;
}

const json& member(const json& tensor, const char* key, const fs::path& file, const std::string& name) {
    const auto found = tensor.find(key);
    if (found == tensor.end()) refuse(file, name, fmt::format("{} is missing", key));
    return *found;
}

// A list of whole numbers from 0 to 2^63-1.
std::vector<std::int64_t> parse_sizes(const json& list, const char* key, const fs::path& file,
                                      const std::string& name) {
    constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const bool valid = list.is_array() && std::all_of(list.begin(), list.end(), [](const json& item) {
                           return item.is_number_unsigned() && item.get<std::uint64_t>() <= limit;
                       });
    if (!valid)
        refuse(file, name, fmt::format("expected {} to be a list of whole numbers, found {}", key, excerpt(list)));
    return list.get<std::vector<std::int64_t>>();
}

void check_length(const Entry& entry, const fs::path& file) {
    if (entry.dtype == DType::other && entry.end >= entry.begin) return;
    const auto expected = checked_byte_size(entry.shape, entry.dtype);
    const std::string shape = fmt::format("shape {} of {}", to_string(entry.shape), dtype_name(entry.dtype));
    if (!expected) refuse(file, entry.name, shape + " overflows");
    if (entry.end < entry.begin || entry.end - entry.begin != *expected) {
        refuse(file, entry.name,
               fmt::format("{} needs {} bytes, data_offsets are [{}, {}]", shape, *expected, entry.begin, entry.end));
    }
}

Entry parse_entry(const std::string& name, const json& value, const fs::path& file) {
    if (!value.is_object()) refuse(file, name, fmt::format("expected an object, found {}", value.type_name()));
    for (const auto& [key, unused] : value.items()) {
        if (key != "dtype" && key != "shape" && key != "data_offsets") refuse(file, name, "unknown key " + key);
    }
    const auto offsets = parse_sizes(member(value, "data_offsets", file, name), "data_offsets", file, name);
    if (offsets.size() != 2) refuse(file, name, fmt::format("expected two data_offsets, found {}", offsets.size()));
    Entry entry{name, parse_dtype(member(value, "dtype", file, name), file, name),
                parse_sizes(member(value, "shape", file, name), "shape", file, name),
                static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(offsets[1])};
    check_length(entry, file);
    return entry;
}

Metadata parse_metadata(const json& value, const fs::path& file) {
    const bool valid =
        value.is_object() && std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_string(); });
    if (!valid) refuse(file, "__metadata__", "expected an object of strings");
    return value.get<Metadata>();
}

// The format allows neither holes nor overlaps: in order of their offsets, each tensor begins where the last ended.
void check_layout(std::vector<Entry>& entries, std::size_t data_size, const fs::path& file) {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
    std::size_t position = 0;
    for (const Entry& entry : entries) {
        if (entry.begin != position) {
            refuse(file, entry.name, fmt::format("expected its data at offset {}, found {}", position, entry.begin));
        }
        position = entry.end;
    }
    if (position != data_size) {
        refuse(file, "", fmt::format("the header describes {} bytes of data, the file has {}", position, data_size));
    }
}

Tensor make_tensor(const Entry& entry, std::span<const std::byte> data, const std::shared_ptr<const void>& owner) {
    const auto bytes = data.subspan(entry.begin, entry.end - entry.begin);
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % dtype_size(entry.dtype) == 0) {
        return {entry.dtype, entry.shape, bytes, owner};
    }
    std::shared_ptr<std::byte[]> copy(new std::byte[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), copy.get());
    return {entry.dtype, entry.shape, {copy.get(), bytes.size()}, copy};
}

// The widest elements first, so that none is misaligned; then by name (the map's order).
std::vector<TensorMap::const_pointer> layout_order(const TensorMap& tensors) {
    std::vector<TensorMap::const_pointer> order;
    for (const auto& item : tensors) order.push_back(&item);
    std::stable_sort(order.begin(), order.end(),
                     [](auto* a, auto* b) { return dtype_size(a->second.dtype) > dtype_size(b->second.dtype); });
    return order;
}

std::string dump(const nlohmann::ordered_json& header) try { return header.dump(); } catch (const json::exception&) {
    fail("a tensor's name or the metadata is not valid UTF-8");
}

void check_bytes(const std::string& name, const Tensor& tensor) {
    if (checked_byte_size(tensor.shape, tensor.dtype) == tensor.bytes.size()) return;
    fail("{}: shape {} of {} does not take {} bytes", name, to_string(tensor.shape), dtype_name(tensor.dtype),
         tensor.bytes.size());
}

std::string make_header(const std::vector<TensorMap::const_pointer>& order, const Metadata& metadata) {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::size_t position = 0;
    for (const auto* item : order) {
        const auto& [name, tensor] = *item;
        check_bytes(name, tensor);
        const std::size_t end = position + tensor.bytes.size();
        header[name] = {
            {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {position, end}}};
        position = end;
    }
    std::string text = dump(header);
    // The tensors begin on a 64-byte boundary, of which the header's length takes the first 8.
    text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');
    return text;
}

}  // namespace

TensorMap parse_safetensors(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                            const fs::path& file, Metadata* metadata) {
    const std::string_view header = header_text(bytes, file);
    const auto data = bytes.subspan(length_size + header.size());
    const json description = parse_json_object(header, file, {.max_depth = max_header_depth});
    std::vector<Entry> entries;
    for (const auto& [name, value] : description.items()) {
        if (name == "__metadata__") {
            Metadata found = parse_metadata(value, file);
            if (metadata != nullptr) *metadata = std::move(found);
        } else {
            entries.push_back(parse_entry(name, value, file));
        }
    }
    check_layout(entries, data.size(), file);
    TensorMap tensors;
    for (const Entry& entry : entries) tensors.emplace(entry.name, make_tensor(entry, data, owner));
    return tensors;
}

TensorMap read_safetensors(const fs::path& file, Metadata* metadata) {
    const MappedFile mapped(file);
    return parse_safetensors(mapped.bytes(), mapped.owner(), file, metadata);
}

void write_safetensors(AtomicFile& file, const TensorMap& tensors, const Metadata& metadata) {
    const auto order = layout_order(tensors);
    const std::string header = make_header(order, metadata);
    const std::uint64_t size = header.size();
    file.write(std::as_bytes(std::span(&size, 1)));
    file.write(header);
    for (const auto* item : order) file.write(item->second.bytes);
}

void write_safetensors(const fs::path& file, const TensorMap& tensors, const Metadata& metadata) {
    AtomicFile output(file);
    write_safetensors(output, tensors, metadata);
    output.commit();
}

}  // namespace moebert
