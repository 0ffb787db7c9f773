// Builds what torch.save writes, right or wrong: the pickle's opcodes, and the zip archive around them.
#pragma once

#include <fmt/format.h>
#include <zip.h>

#include <map>
#include <string>
#include <vector>

#include "io/support.h"

namespace moebert::test {

inline std::string pickled_int(std::int64_t value) { return fmt::format("L{}L\n", value); }
inline std::string pickled_text(const std::string& text) { return fmt::format("S'{}'\n", text); }
inline std::string pickled_sizes(const Shape& sizes) {
    std::string text = "(";
    for (const std::int64_t size : sizes) text += pickled_int(size);
    return text + "t";
}

struct TorchTensor {
    std::string type = "FloatStorage";
    std::string key = "0";
    std::int64_t storage_size = 0;
    std::int64_t offset = 0;
    Shape shape = {};
    Shape strides = {};
};

inline std::string pickled_storage(const TorchTensor& tensor) {
    return fmt::format("(S'storage'\nctorch\n{}\nS'{}'\nS'cpu'\n{}tQ", tensor.type, tensor.key,
                       pickled_int(tensor.storage_size));
}

inline std::string pickled(const TorchTensor& tensor) {
    return fmt::format("ctorch._utils\n_rebuild_tensor_v2\n({}{}{}{}I00\nccollections\nOrderedDict\n)RtR",
                       pickled_storage(tensor), pickled_int(tensor.offset), pickled_sizes(tensor.shape),
                       pickled_sizes(tensor.strides));
}

// {"name": item, ...}, of items already pickled.
inline std::string pickled_dict(const std::map<std::string, std::string>& items) {
    std::string text = "(";
    for (const auto& [name, item] : items) text += pickled_text(name) + item;
    return text + "d.";
}

// The archive's content; the entries are stored, unless `compressed`.
inline std::string zip(const std::vector<std::pair<std::string, std::string>>& entries, bool compressed = false) {
    zip_source_t* buffer = zip_source_buffer_create(nullptr, 0, 0, nullptr);
    zip_source_keep(buffer);
    zip_t* archive = zip_open_from_source(buffer, ZIP_TRUNCATE, nullptr);
    for (const auto& [name, content] : entries) {
        const auto index = zip_file_add(
            archive, name.c_str(), zip_source_buffer(archive, content.data(), content.size(), 0), ZIP_FL_ENC_UTF_8);
        EXPECT_GE(index, 0) << name;
        zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                 0);
    }
    EXPECT_EQ(zip_close(archive), 0);
    zip_source_open(buffer);
    zip_source_seek(buffer, 0, SEEK_END);
    std::string content(static_cast<std::size_t>(zip_source_tell(buffer)), '\0');
    zip_source_seek(buffer, 0, SEEK_SET);
    EXPECT_EQ(zip_source_read(buffer, content.data(), content.size()), static_cast<zip_int64_t>(content.size()));
    zip_source_close(buffer);
    zip_source_free(buffer);
    return content;
}

template <class T>
std::string raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace moebert::test
