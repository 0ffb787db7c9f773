// Content hashes: XXH3, 128 bits, as 32 lower-case hexadecimal digits. Fast and stable across machines; not
// cryptographic: they recognise files, they don't authenticate them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace moebert {

std::string digest(std::span<const std::byte> bytes);

// The digest of bytes that come in parts; how they are cut doesn't matter.
class Digest {
public:
    Digest();
    void update(std::span<const std::byte> bytes);
    void update(std::string_view text);
    std::string hex() const;  // of everything so far

private:
    std::unique_ptr<void, void (*)(void*)> state_;
};

}  // namespace moebert
