#include "train/event_file.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "io/file.h"

namespace moebert {
namespace {

// CRC-32C (Castagnoli), one table entry a byte.
std::uint32_t crc32c(std::string_view bytes) {
    static const auto table = [] {
        std::array<std::uint32_t, 256> t{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i;
            for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82f63b78U : 0U);
            t[i] = c;
        }
        return t;
    }();
    std::uint32_t crc = 0xffffffffU;
    for (const char byte : bytes) crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xffU] ^ (crc >> 8);
    return crc ^ 0xffffffffU;
}

// TFRecord stores its checksums rotated and shifted by a constant.
std::uint32_t masked_crc(std::string_view bytes) {
    const std::uint32_t crc = crc32c(bytes);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

template <class T>
std::string raw(T value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

std::string varint(std::uint64_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
    bytes.push_back(static_cast<char>(value));
    return bytes;
}

enum Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
std::string key(unsigned field, Wire wire) { return varint(field << 3 | wire); }
std::string bytes_field(unsigned field, const std::string& bytes) {
    return key(field, kBytes) + varint(bytes.size()) + bytes;
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string event_head() { return key(1, kFixed64) + raw(now()); }  // wall_time

}  // namespace

EventFile::EventFile(const std::filesystem::path& directory) {
    make_folder(directory);
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    static std::atomic<int> count{0};
    file_ = directory / fmt::format("events.out.tfevents.{}.{}.{}.{}", static_cast<std::int64_t>(now()), host.data(),
                                    getpid(), count++);
    out_.open(file_, std::ios::binary);
    record(event_head() + bytes_field(3, "brain.Event:2"));  // file_version
}

void EventFile::scalar(const std::string& tag, std::int64_t step, double value) {
    const auto summary_value = bytes_field(1, tag) + key(2, kFixed32) + raw(static_cast<float>(value));
    record(event_head() + key(2, kVarint) + varint(static_cast<std::uint64_t>(step)) +
           bytes_field(5, bytes_field(1, summary_value)));
}

// A tensor of one string, for TensorBoard's plugin of texts.
void EventFile::text(const std::string& tag, const std::string& markdown) {
    constexpr std::uint64_t kString = 7;  // DT_STRING
    const auto shape = bytes_field(2, key(1, kVarint) + varint(1));
    const auto tensor =
        key(1, kVarint) + varint(kString) + bytes_field(2, shape) + bytes_field(8, markdown);  // dtype, shape, values
    const auto metadata = bytes_field(1, bytes_field(1, "text"));                              // the plugin's name
    const auto summary_value = bytes_field(1, tag) + bytes_field(8, tensor) + bytes_field(9, metadata);
    record(event_head() + bytes_field(5, bytes_field(1, summary_value)));
}

void EventFile::record(const std::string& event) {
    const auto length = raw(static_cast<std::uint64_t>(event.size()));
    out_ << length << raw(masked_crc(length)) << event << raw(masked_crc(event)) << std::flush;
    if (!out_) fail("{}: can't be written", file_.string());
}

}  // namespace moebert
