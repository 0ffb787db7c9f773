// Whole files: mapped for reading, and written so that a reader finds the old content or the new, never a part.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace moebert {

// A file mapped read-only. Copies share the mapping; `owner()` keeps it alive for those who hold only the bytes.
// Throws an InputError when the file is missing, unreadable or not a regular file, or by its first bytes is what stands
// in for a file that wasn't downloaded: a Git LFS pointer, an HTML page. An empty file has no bytes.
class MappedFile {
public:
    explicit MappedFile(const std::filesystem::path& path);
    std::span<const std::byte> bytes() const { return bytes_; }
    const std::shared_ptr<const void>& owner() const { return owner_; }

private:
    std::span<const std::byte> bytes_;
    std::shared_ptr<const void> owner_;
};

// The content of a regular file; an InputError for any other, and when it is larger than `limit` bytes. MappedFile and
// this are all there is for reading: what reads otherwise waits for a pipe's writer, or takes /dev/zero for data.
std::string read_text(const std::filesystem::path& path, std::size_t limit = std::size_t{1} << 30);

// A file under a temporary name in the target's folder, until commit() syncs it and renames it over the target; where
// that is a symbolic link, over the file it leads to. Destroyed without a commit, it leaves no trace. A device, a pipe
// and what /dev/stdout or /dev/fd/N stands for are written to as they are. Every failure is an Error that names the
// target.
class AtomicFile {
public:
    explicit AtomicFile(const std::filesystem::path& target);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(std::span<const std::byte> bytes);
    void write(std::string_view text);
    void commit();

private:
    [[noreturn]] void fail_writing(int error) const;

    std::filesystem::path target_;
    std::string temporary_;  // empty where the target itself is written to
    int descriptor_ = -1;
};

// With the folders above it, where they are not there; an empty name is the working folder's. An Error when it can't
// be.
void make_folder(const std::filesystem::path& folder);

// Whether it is there and has something in it.
bool is_occupied(const std::filesystem::path& folder);

// Gives the folder `from` the name `to`, in the same folder; one that has it already is then removed. At every moment
// `to` is the old one or the new one, whole.
void replace_folder(const std::filesystem::path& from, const std::filesystem::path& to);

// A folder for one process alone, as long as it lives: an Error when another one has it. A process that dies gives it
// back.
class FolderLock {
public:
    explicit FolderLock(const std::filesystem::path& folder);
    ~FolderLock();
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;

private:
    int descriptor_;
};

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace moebert
