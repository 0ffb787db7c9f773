#include "io/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "core/ascii.h"
#include "core/error.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;

class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    operator int() const { return number_; }

private:
    int number_;
};

// O_NONBLOCK: opening a named pipe that nobody writes to must not wait for a writer.
int open_for_reading(const fs::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) throw InputError(path, "", errno == ENOENT ? "no such file" : std::strerror(errno));
    return descriptor;
}

bool begins_with(std::string_view text, std::string_view lower_case_beginning) {
    return text.size() >= lower_case_beginning.size() &&
           std::ranges::equal(text.substr(0, lower_case_beginning.size()), lower_case_beginning, {},
                              [](char c) { return lower_ascii(c); });
}

// What a download leaves when it didn't bring the file that was wanted.
void refuse_stand_ins(int descriptor, const fs::path& path) {
    char bytes[256];
    const ssize_t count = ::pread(descriptor, bytes, sizeof bytes, 0);
    std::string_view text(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
    if (text.starts_with("version https://git-lfs."))
        throw InputError(path, "", "is a Git LFS pointer, not the file itself: fetch it with `git lfs pull`");
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n\xEF\xBB\xBF"), text.size()));
    if (begins_with(text, "<!doctype html") || begins_with(text, "<html"))
        throw InputError(path, "", "is an HTML page, not the file that was wanted: download it again");
}

std::size_t regular_file_size(int descriptor, const fs::path& path) {
    struct stat status {};
    if (::fstat(descriptor, &status) != 0) throw InputError(path, "", std::strerror(errno));
    if (S_ISDIR(status.st_mode)) throw InputError(path, "", "expected a file, found a directory");
    if (!S_ISREG(status.st_mode)) throw InputError(path, "", "not a regular file");
    refuse_stand_ins(descriptor, path);
    return static_cast<std::size_t>(status.st_size);
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

// So that the rename itself survives a power failure; some file systems can't do it and say EINVAL.
int sync_folder(const fs::path& folder) {
    const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor < 0) return errno;
    return ::fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
}

// What /dev/stdout and its like stand for: a descriptor that is open already, and a place in what it leads to.
std::optional<int> open_descriptor(fs::path path) {
    std::error_code error;
    const auto descriptors = fs::canonical("/proc/self/fd", error);
    for (int links = 0; links < 40 && fs::is_symlink(fs::symlink_status(path, error)); ++links) {
        const auto folder = fs::canonical(folder_of(path), error);
        if (error) break;
        const auto name = path.filename().string();
        if (int number = -1;
            folder == descriptors && std::from_chars(name.data(), name.data() + name.size(), number).ec == std::errc())
            return number;
        path = folder / fs::read_symlink(path, error);
    }
    return {};
}

// A new file next to `target`, with the permissions that any new file gets; the name that was free goes to `name`.
int create_temporary(const fs::path& target, std::string& name) {
    static std::atomic<unsigned> counter = 0;
    for (int attempt = 0; attempt < 100; ++attempt) {
        name = folder_of(target) / fmt::format(".moebert-{}-{}.tmp", ::getpid(), counter++);
        const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
    return -1;
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) {
    const Descriptor descriptor(open_for_reading(path));
    const std::size_t size = regular_file_size(descriptor, path);
    if (size == 0) return;
    void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (start == MAP_FAILED) throw InputError(path, "", fmt::format("can't be mapped: {}", std::strerror(errno)));
    owner_ = std::shared_ptr<const void>(start, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
    bytes_ = {static_cast<const std::byte*>(start), size};
}

std::string read_text(const fs::path& path, std::size_t limit) {
    const Descriptor descriptor(open_for_reading(path));
    const auto expected = regular_file_size(descriptor, path);
    if (expected > limit)  // before memory is taken for it: a file of holes may be of any size
        throw InputError(path, "", fmt::format("expected at most {} bytes, found {}", limit, expected));
    std::string text(expected, '\0');
    std::size_t size = 0;
    while (size < text.size()) {  // or until it ends: it may have become shorter
        const ssize_t count = ::read(descriptor, text.data() + size, text.size() - size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw InputError(path, "", std::strerror(errno));
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    text.resize(size);
    return text;
}

AtomicFile::AtomicFile(const fs::path& target) : target_(target) {
    std::error_code ignored;  // what is wrong with the target shows when it is opened
    const auto status = fs::status(target, ignored);
    if (fs::is_directory(status)) fail_writing(EISDIR);
    if (const auto open = open_descriptor(target)) {
        descriptor_ = ::fcntl(*open, F_DUPFD_CLOEXEC, 0);
    } else if (fs::exists(status) && !fs::is_regular_file(status)) {
        descriptor_ = ::open(target.c_str(), O_WRONLY | O_CLOEXEC);
    } else {
        constexpr int kMostLinks = 40;  // as Linux has it
        for (int links = 0; fs::is_symlink(fs::symlink_status(target_, ignored)); ++links) {
            if (links == kMostLinks) fail_writing(ELOOP);
            target_ = folder_of(target_) / fs::read_symlink(target_, ignored);
        }
        descriptor_ = create_temporary(target_, temporary_);
        if (descriptor_ >= 0) registered_.emplace(temporary_.c_str());
        if (struct stat old{}; descriptor_ >= 0 && ::stat(target_.c_str(), &old) == 0)
            ::fchmod(descriptor_, old.st_mode & 07777U);  // where a file system can't, the usual ones do
    }
    if (descriptor_ < 0) fail_writing(errno);
}

AtomicFile::~AtomicFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail_writing(int error) const {
    throw Error(fmt::format("{}: can't be written: {}", target_.string(), std::strerror(error)));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
    constexpr std::size_t largest_write = std::size_t{1} << 30;  // Linux writes no more than 2 GiB at once
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), largest_write));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail_writing(errno);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::finish() {
    if (!temporary_.empty() && ::fsync(descriptor_) != 0) fail_writing(errno);
    if (::close(std::exchange(descriptor_, -1)) != 0) fail_writing(errno);
}

void AtomicFile::put_name() {
    if (temporary_.empty()) return;
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_writing(errno);
    registered_.reset();
    temporary_.clear();
}

void AtomicFile::commit() {
    finish();
    const bool is_renamed = !temporary_.empty();
    put_name();
    if (const int error = is_renamed ? sync_folder(folder_of(target_)) : 0; error != 0) fail_writing(error);
}

FileGroup::FileGroup(fs::path folder, std::string last) : folder_(std::move(folder)), last_(std::move(last)) {
    make_folder(folder_);
}

AtomicFile& FileGroup::add(const std::string& name) {
    return files_.emplace_back(std::piecewise_construct, std::tuple(name), std::tuple(folder_ / name)).second;
}

void FileGroup::remove(const std::string& name) { removed_.push_back(name); }

void FileGroup::commit() {
    const auto sync = [&] {
        if (const int error = sync_folder(folder_); error != 0)
            fail("{}: can't be written: {}", folder_.string(), std::strerror(error));
    };
    const auto unlink = [&](const std::string& name) {
        if (::unlink((folder_ / name).c_str()) != 0 && errno != ENOENT)
            fail("{}: can't be removed: {}", (folder_ / name).string(), std::strerror(errno));
    };
    for (auto& [name, file] : files_) file.finish();
    const SignalsWait none;
    unlink(last_);
    sync();
    for (const auto& name : removed_) unlink(name);
    for (auto& [name, file] : files_)
        if (name != last_) file.put_name();
    sync();
    for (auto& [name, file] : files_)
        if (name == last_) file.put_name();
    sync();
}

void check_can_write_into(const fs::path& folder) {
    const auto refuse = [&](const std::string& reason) { fail("{}: can't be created: {}", folder.string(), reason); };
    std::error_code error;
    fs::path nearest = folder.empty() ? fs::path(".") : folder;
    while (!fs::exists(nearest, error)) {
        if (error) refuse(error.message());
        if (fs::is_symlink(fs::symlink_status(nearest, error))) refuse("a link that leads nowhere");
        nearest = folder_of(nearest.has_filename() ? nearest : nearest.parent_path());
    }
    if (!fs::is_directory(nearest, error)) refuse(std::strerror(ENOTDIR));
    if (::access(nearest.c_str(), W_OK | X_OK) == 0) return;
    if (nearest != folder) refuse(std::strerror(errno));
    fail("{}: can't be written: {}", folder.string(), std::strerror(errno));
}

void check_can_write(const fs::path& file) {
    const auto refuse = [&](int reason) { fail("{}: can't be written: {}", file.string(), std::strerror(reason)); };
    std::error_code error;
    if (open_descriptor(file)) return;
    const auto status = fs::status(file, error);
    if (fs::is_directory(status)) refuse(EISDIR);
    if (!fs::exists(status) || fs::is_regular_file(status)) return check_can_write_into(file.parent_path());
    if (::access(file.c_str(), W_OK) != 0) refuse(errno);
}

void make_folder(const fs::path& folder) {
    if (folder.empty()) return;
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) fail("{}: can't be created: {}", folder.string(), error.message());
}

bool is_occupied(const fs::path& folder) { return fs::exists(folder) && !fs::is_empty(folder); }

void replace_folder(const fs::path& from, const fs::path& to) {
    const auto fail_replacing = [&](int error) { fail("{}: can't be written: {}", to.string(), std::strerror(error)); };
    if (const int error = sync_folder(from); error != 0) fail_replacing(error);
    const bool is_there = fs::exists(to);
    if (!is_there && ::rename(from.c_str(), to.c_str()) != 0) fail_replacing(errno);
    if (is_there && ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0)
        fail_replacing(errno);
    if (const int error = sync_folder(folder_of(to)); error != 0) fail_replacing(error);
    if (is_there) fs::remove_all(from);
}

FolderLock::FolderLock(const fs::path& folder, For whom)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0) fail("{}: can't be opened: {}", folder.string(), std::strerror(errno));
    if (::flock(descriptor_, (whom == For::one ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return;
    const int error = errno;
    if (error == ENOLCK || error == EOPNOTSUPP) return;  // a file system without locks
    ::close(descriptor_);
    if (error == EWOULDBLOCK) fail("{}: another run is writing into this folder", folder.string());
    fail("{}: can't be locked: {}", folder.string(), std::strerror(error));
}

FolderLock::~FolderLock() { ::close(descriptor_); }

OutputFolder::OutputFolder(const fs::path& folder, FolderLock::For whom) {
    const auto whole = folder.empty() ? fs::path(".") : folder;
    std::error_code error;
    for (auto missing = whole; !fs::exists(missing, error) && !error; missing = folder_of(missing))
        if (missing.has_filename()) made_.push_back(missing);
    make_folder(whole);
    lock_.emplace(whole, whom);
}

OutputFolder::~OutputFolder() {
    for (const auto& folder : made_)
        if (::rmdir(folder.c_str()) != 0) break;
}

void write_file_atomically(const fs::path& path, std::span<const std::byte> bytes) {
    AtomicFile file(path);
    file.write(bytes);
    file.commit();
}

void write_file_atomically(const fs::path& path, std::string_view text) {
    write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace moebert
