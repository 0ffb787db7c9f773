// Whole files: mapped for reading, and written so that a reader finds the old content or the new, never a part.
#pragma once

#include <cstddef>
#include <filesystem>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/temporaries.h"

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
// that is a symbolic link, over the file it leads to. A file that is replaced keeps its permissions. Destroyed without
// a commit, it leaves no trace. A device, a pipe and what /dev/stdout or /dev/fd/N stands for are written to as they
// are. Every failure is an Error that names the target.
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
    friend class FileGroup;

    [[noreturn]] void fail_writing(int error) const;
    void finish();    // all of it is on the disk
    void put_name();  // the folder isn't synced

    std::filesystem::path target_;
    std::string temporary_;  // empty where the target itself is written to
    std::optional<Temporary> registered_;
    int descriptor_ = -1;
};

// Files of one folder that belong together, such as a model's weights and the names of its labels. commit() gives them
// their names when all are on the disk; the old one of `last` goes first, and the new one comes at the end. So whoever
// finds `last` finds the files that belong to it, also where the process or the machine stopped halfway.
class FileGroup {
public:
    // Makes the folder.
    FileGroup(std::filesystem::path folder, std::string last);

    AtomicFile& add(const std::string& name);  // to be written to
    void remove(const std::string& name);      // with the commit
    void commit();

private:
    std::filesystem::path folder_;
    std::string last_;
    std::list<std::pair<std::string, AtomicFile>> files_;
    std::vector<std::string> removed_;
};

// An Error where a file could not be written here, for whoever would lose long work by learning it at the end. It makes
// nothing; a disk that fills up later is no concern of it.
void check_can_write(const std::filesystem::path& file);

// The same of a folder that is to be made, or is there, and of files in it.
void check_can_write_into(const std::filesystem::path& folder);

// With the folders above it, where they are not there; an empty name is the working folder's. An Error when it can't
// be.
void make_folder(const std::filesystem::path& folder);

// Whether it is there and has something in it.
bool is_occupied(const std::filesystem::path& folder);

// Gives the folder `from` the name `to`, in the same folder; one that has it already is then removed. At every moment
// `to` is the old one or the new one, whole.
void replace_folder(const std::filesystem::path& from, const std::filesystem::path& to);

// A folder for one process alone, as long as it lives, or for several that share it: an Error when another one has it.
// A process that dies gives it back.
class FolderLock {
public:
    enum class For { one, several };
    explicit FolderLock(const std::filesystem::path& folder, For whom = For::one);
    ~FolderLock();
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;

private:
    int descriptor_;
};

// The folder that a job will write into, made and locked from the beginning. Folders that a job made and put nothing
// into go with it.
class OutputFolder {
public:
    explicit OutputFolder(const std::filesystem::path& folder, FolderLock::For whom = FolderLock::For::one);
    ~OutputFolder();
    OutputFolder(const OutputFolder&) = delete;
    OutputFolder& operator=(const OutputFolder&) = delete;

private:
    std::vector<std::filesystem::path> made_;  // the innermost first
    std::optional<FolderLock> lock_;
};

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace moebert
