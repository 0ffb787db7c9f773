#include "core/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

namespace moebert {
namespace {

std::string to_hex(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

}  // namespace

std::string digest(std::span<const std::byte> bytes) { return to_hex(XXH3_128bits(bytes.data(), bytes.size())); }

Digest::Digest() : state_(XXH3_createState(), [](void* state) { XXH3_freeState(static_cast<XXH3_state_t*>(state)); }) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(static_cast<XXH3_state_t*>(state_.get()));
}

void Digest::update(std::span<const std::byte> bytes) {
    XXH3_128bits_update(static_cast<XXH3_state_t*>(state_.get()), bytes.data(), bytes.size());
}

void Digest::update(std::string_view text) { update(std::as_bytes(std::span(text))); }

std::string Digest::hex() const { return to_hex(XXH3_128bits_digest(static_cast<const XXH3_state_t*>(state_.get()))); }

}  // namespace moebert
