#include "io/zip_archive.h"

#include <fmt/format.h>
#include <zip.h>

#include "core/error.h"

namespace moebert {

struct ZipArchive::Handle {
    zip_t* archive = nullptr;
    ~Handle() {
        if (archive != nullptr) zip_discard(archive);
    }
};

namespace {

class ZipError {
public:
    ZipError() { zip_error_init(&error_); }
    ~ZipError() { zip_error_fini(&error_); }
    ZipError(const ZipError&) = delete;
    ZipError& operator=(const ZipError&) = delete;
    zip_error_t* get() { return &error_; }
    std::string text() { return zip_error_strerror(&error_); }

private:
    zip_error_t error_;
};

zip_t* open_archive(std::span<const std::byte> bytes, const std::filesystem::path& file) {
    if (bytes.empty()) throw InputError(file, "", "not a readable zip archive: empty");  // to libzip, a new archive
    ZipError error;
    zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, error.get());
    if (source == nullptr) throw InputError(file, "", error.text());
    zip_t* archive = zip_open_from_source(source, ZIP_RDONLY, error.get());
    if (archive != nullptr) return archive;
    zip_source_free(source);
    throw InputError(file, "", fmt::format("not a readable zip archive: {}", error.text()));
}

using OpenEntry = std::unique_ptr<zip_file_t, int (*)(zip_file_t*)>;

}  // namespace

ZipArchive::ZipArchive(std::span<const std::byte> bytes, const std::filesystem::path& file)
    : file_(file), file_size_(bytes.size()), handle_(std::make_unique<Handle>()) {
    handle_->archive = open_archive(bytes, file);
    list_entries();
}

ZipArchive::~ZipArchive() = default;

void ZipArchive::list_entries() {
    std::size_t total = 0;
    const auto count = static_cast<std::uint64_t>(zip_get_num_entries(handle_->archive, 0));
    for (std::uint64_t index = 0; index < count; ++index) {
        zip_stat_t stat;
        constexpr std::uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
        if (zip_stat_index(handle_->archive, index, 0, &stat) != 0 || (stat.valid & needed) != needed) {
            throw InputError(file_, "", fmt::format("entry {} of the archive can't be read", index));
        }
        if (stat.comp_method != ZIP_CM_STORE) throw InputError(file_, stat.name, "expected no compression");
        // Entries can be made to overlap; together they can't be larger than the file.
        if (stat.size > file_size_ - total) throw InputError(file_, stat.name, "larger than the file allows");
        total += stat.size;
        if (!entries_.emplace(stat.name, Entry{index, stat.size}).second) {
            throw InputError(file_, stat.name, "occurs twice in the archive");
        }
    }
}

std::vector<std::string> ZipArchive::names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
}

std::vector<std::byte> ZipArchive::read(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) throw InputError(file_, name, "missing in the archive");
    const OpenEntry entry(zip_fopen_index(handle_->archive, found->second.index, 0), zip_fclose);
    if (entry == nullptr) throw InputError(file_, name, zip_strerror(handle_->archive));
    std::vector<std::byte> content(found->second.size);
    const auto expected = static_cast<zip_int64_t>(content.size());
    std::byte beyond;  // the checksum is compared when the end is seen
    if (zip_fread(entry.get(), content.data(), content.size()) != expected || zip_fread(entry.get(), &beyond, 1) != 0) {
        throw InputError(file_, name, "truncated, or its checksum is wrong");
    }
    return content;
}

}  // namespace moebert
