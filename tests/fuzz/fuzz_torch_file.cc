// pytorch_model.bin. Most inputs are zip archives whose sizes and checksums are right, with entries that are not:
// libzip would refuse others before anything of ours is reached.
#include <array>
#include <random>

#include "fuzz.h"
#include "io/torch_file.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

struct Entry {
    std::string name, content;
};

std::uint32_t checksum(std::string_view bytes) {
    std::uint32_t sum = 0xFFFFFFFF;
    for (const unsigned char byte : bytes) {
        sum ^= byte;
        for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320 : 0);
    }
    return ~sum;
}

void append(std::string& out, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

std::uint32_t number(std::string_view text, std::size_t at, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes && at + i < text.size(); ++i)
        value |= static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])) << (8 * i);
    return value;
}

// By the signatures alone.
std::vector<Entry> entries_of(std::string_view archive) {
    constexpr std::string_view kLocal("PK\x03\x04", 4), kCentral("PK\x01\x02", 4);
    constexpr std::size_t kHeader = 30;
    std::vector<Entry> entries;
    const auto end = std::min(archive.find(kCentral), archive.size());
    for (auto at = archive.find(kLocal); at < end;) {
        const auto next = std::min(archive.find(kLocal, at + 4), end);
        const auto entry = archive.substr(at, next - at);
        const auto name = number(entry, 26, 2), begin = name + number(entry, 28, 2);
        if (kHeader + begin <= entry.size())
            entries.push_back({std::string(entry.substr(kHeader, name)), std::string(entry.substr(kHeader + begin))});
        at = next;
    }
    return entries;
}

std::string archive_of(const std::vector<Entry>& entries) {
    std::string out, central;
    for (const auto& [name, content] : entries) {
        std::string common;
        for (const std::uint32_t field : {20U, 0U, 0U, 0U, 0x21U}) append(common, field, 2);
        append(common, checksum(content), 4);
        for (const auto size : {content.size(), content.size()}) append(common, static_cast<std::uint32_t>(size), 4);
        append(common, static_cast<std::uint32_t>(name.size()), 2);
        append(common, 0, 2);
        central += std::string("PK\x01\x02\x14\0", 6) + common + std::string(10, '\0');
        append(central, static_cast<std::uint32_t>(out.size()), 4);
        central += name;
        out += "PK\x03\x04" + common + name + content;
    }
    const auto begin = static_cast<std::uint32_t>(out.size());
    out += central + std::string("PK\x05\x06\0\0\0\0", 8);
    for (int i = 0; i < 2; ++i) append(out, static_cast<std::uint32_t>(entries.size()), 2);
    append(out, static_cast<std::uint32_t>(central.size()), 4);
    append(out, begin, 4);
    append(out, 0, 2);
    return out;
}

void mutate(std::string& text) {
    const auto size = text.size();
    text.resize(2 * size + 16);
    text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), size, text.size()));
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    std::minstd_rand random(seed);
    auto entries = entries_of({reinterpret_cast<const char*>(data), size});
    if (entries.empty() || random() % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
    auto& entry = entries[random() % entries.size()];
    mutate(random() % 16 == 0 ? entry.name : entry.content);
    if (random() % 64 == 0) entries.push_back(entries[random() % entries.size()]);
    const auto archive = archive_of(entries);
    if (archive.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
    std::copy(archive.begin(), archive.end(), reinterpret_cast<char*>(data));
    return archive.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    fuzz::allow_errors([&] { parse_torch_file(fuzz::bytes_of(data, size), "input"); });
    return 0;
}
