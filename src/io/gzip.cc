#include "io/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "core/error.h"

namespace moebert {
namespace {

constexpr int kGzip = 16 + MAX_WBITS;  // a gzip header, and the largest window

// Text becomes a third to a tenth; zlib's limit is a thousandth.
constexpr std::size_t kFree = std::size_t{1} << 28;
constexpr std::size_t kMostGrowth = 100;

class Inflater {
public:
    explicit Inflater(const std::filesystem::path& file) : file_(file) {
        if (inflateInit2(&stream_, kGzip) != Z_OK) throw InputError(file, "", "can't be decompressed");
    }
    ~Inflater() { inflateEnd(&stream_); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    std::string run(std::span<const std::byte> bytes) {
        std::string text;
        const std::size_t most = std::max(kFree, kMostGrowth * bytes.size());
        while (!bytes.empty()) {
            const std::size_t before = bytes.size();
            const int status = step(bytes, text);
            if (text.size() > most)
                throw InputError(file_, "", "grows to more than a hundred times its size when it is decompressed");
            if (status == Z_STREAM_END && !bytes.empty()) inflateReset(&stream_);
            if (status == Z_STREAM_END) is_whole_ = bytes.empty();
            const bool is_stuck = status == Z_OK && bytes.size() == before && stream_.avail_out > 0;
            if ((status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) || is_stuck)
                throw InputError(file_, "", "is damaged: not valid gzip data");
        }
        if (!is_whole_) throw InputError(file_, "", "is cut short: its gzip data ends too early");
        return text;
    }

private:
    int step(std::span<const std::byte>& bytes, std::string& text) {
        constexpr std::size_t kBlock = std::size_t{1} << 20;
        const auto given = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max() / 2);
        const std::size_t size = text.size();
        text.resize(size + kBlock);
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
        stream_.avail_in = static_cast<uInt>(given);
        stream_.next_out = reinterpret_cast<Bytef*>(text.data() + size);
        stream_.avail_out = kBlock;
        const int status = inflate(&stream_, Z_NO_FLUSH);
        bytes = bytes.subspan(given - stream_.avail_in);
        text.resize(size + kBlock - stream_.avail_out);
        return status;
    }

    const std::filesystem::path& file_;
    z_stream stream_{};
    bool is_whole_ = false;
};

}  // namespace

bool is_gzip(std::span<const std::byte> bytes) {
    return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

std::string gunzip(std::span<const std::byte> bytes, const std::filesystem::path& file) {
    return Inflater(file).run(bytes);
}

}  // namespace moebert
