// Memory that inference reads or writes all the time: on 64-byte boundaries, a cache line and what one row of a tile
// loads, and where it is large on huge pages, if the system has them, so that few addresses need translating.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <vector>

namespace moebert::engine {

std::pmr::memory_resource& buffer_memory();

template <class T>
struct BufferAllocator {
    using value_type = T;

    BufferAllocator() = default;
    template <class U>
    BufferAllocator(const BufferAllocator<U>&) {}

    T* allocate(std::size_t count) { return static_cast<T*>(buffer_memory().allocate(count * sizeof(T))); }
    void deallocate(T* values, std::size_t count) { buffer_memory().deallocate(values, count * sizeof(T)); }
    friend bool operator==(const BufferAllocator&, const BufferAllocator&) { return true; }
};

template <class T>
using Buffer = std::vector<T, BufferAllocator<T>>;

// Grows, but never shrinks: after the largest batch nothing is allocated.
template <class Values>
void grow(Values& values, std::int64_t size) {
    if (static_cast<std::int64_t>(values.size()) < size) values.resize(static_cast<std::size_t>(size));
}

// For many pieces that live equally long: they lie side by side on its huge pages.
std::shared_ptr<std::pmr::memory_resource> make_arena();

}  // namespace moebert::engine
