// A zip archive in memory, as torch.save writes them: every entry stored, none compressed. That a compressed entry is
// refused keeps a small file from unfolding into a huge one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace moebert {

class ZipArchive {
public:
    // `file` is named in errors; `bytes` must outlive the archive. Throws an InputError when it is no such archive.
    ZipArchive(std::span<const std::byte> bytes, const std::filesystem::path& file);
    ~ZipArchive();

    bool contains(const std::string& name) const { return entries_.contains(name); }
    std::vector<std::string> names() const;

    // The entry's content, checksum checked; an InputError when there is none of that name.
    std::vector<std::byte> read(const std::string& name) const;

private:
    struct Handle;
    struct Entry {
        std::size_t index = 0;
        std::size_t size = 0;
    };

    void list_entries();

    std::filesystem::path file_;
    std::size_t file_size_;
    std::unique_ptr<Handle> handle_;
    std::map<std::string, Entry> entries_;
};

}  // namespace moebert
