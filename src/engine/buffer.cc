#include "engine/buffer.h"

#include <new>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace moebert::engine {
namespace {

constexpr std::align_val_t kLine{64}, kHugePage{std::size_t{2} << 20};

// Small ones would waste a huge page.
std::align_val_t boundary(std::size_t bytes) {
    return bytes >= static_cast<std::size_t>(kHugePage) ? kHugePage : kLine;
}

class BufferMemory : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t) override {
        void* start = ::operator new(bytes, boundary(bytes));
#ifdef MADV_HUGEPAGE
        // A hint: where it is refused nothing is lost.
        if (boundary(bytes) == kHugePage) ::madvise(start, bytes, MADV_HUGEPAGE);
#endif
        return start;
    }
    void do_deallocate(void* start, std::size_t bytes, std::size_t) override {
        ::operator delete(start, boundary(bytes));
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

std::pmr::memory_resource& buffer_memory() {
    static BufferMemory memory;
    return memory;
}

std::shared_ptr<std::pmr::memory_resource> make_arena() {
    return std::make_shared<std::pmr::monotonic_buffer_resource>(std::size_t{32} << 20, &buffer_memory());
}

}  // namespace moebert::engine
