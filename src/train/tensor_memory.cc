#include "train/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

#include "train/torch.h"

namespace moebert {
namespace {

// What lies before a tensor's data, whose alignment it keeps.
struct alignas(64) Block {
    std::size_t size_class;
    Block* next;  // of those kept

    void* data() { return this + 1; }
    static Block* of(void* data) { return static_cast<Block*>(data) - 1; }
};

// Sizes of data: 1, 1.25, 1.5 or 1.75 times a power of two bytes, and multiples of the alignment.
struct SizeClass {
    explicit SizeClass(std::size_t wanted) {
        wanted = std::max(wanted, 4 * alignof(Block));
        const auto quarter = std::bit_floor(wanted) / 4;
        const auto quarters = (wanted + quarter - 1) / quarter;  // 4 to 8
        bytes = quarters * quarter;
        index = 4 * static_cast<std::size_t>(std::countr_zero(quarter)) + quarters;
    }
    std::size_t bytes, index;
};

constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Large ones lie on huge pages, where the system has them: of the many small ones each costs time when it is first
// used, and again whenever its address is no longer at hand. What `wanted` doesn't fill stays on small ones, unused.
Block* new_block(const SizeClass& size, std::size_t wanted) {
    const auto whole = (sizeof(Block) + wanted) / kHugePage * kHugePage;
    void* start = nullptr;
    if (::posix_memalign(&start, whole > 0 ? kHugePage : alignof(Block), sizeof(Block) + size.bytes) != 0)
        throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (whole > 0) ::madvise(start, whole, MADV_HUGEPAGE);  // a hint: where it is refused nothing is lost
#endif
    return new (start) Block{size.index, nullptr};
}

class Pool {
public:
    Block* take(std::size_t bytes) {
        const SizeClass size(bytes);
        const std::lock_guard lock(mutex_);
        // One of up to twice the size rather than a new one.
        for (auto i = size.index; i <= size.index + 4; ++i)
            if (auto* block = kept_.at(i)) {
                kept_[i] = block->next;
                return block;
            }
        return new_block(size, bytes);
    }

    void give_back(Block* block) {
        const std::lock_guard lock(mutex_);
        block->next = kept_.at(block->size_class);
        kept_[block->size_class] = block;
    }

private:
    std::mutex mutex_;
    std::array<Block*, 4 * 64 + 4> kept_{};  // a list of each size
};

Pool pool;  // constant initialisation, and nothing to destroy: tensors may outlive it

void release(void* data) {
    if (data) pool.give_back(Block::of(data));
}

class Allocator : public c10::Allocator {
public:
#ifdef MOEBERT_CUDA
    c10::DataPtr allocate(std::size_t bytes) override { return make(bytes); }
    void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
#else
    c10::DataPtr allocate(std::size_t bytes) const override { return make(bytes); }
#endif
    c10::DeleterFnPtr raw_deleter() const override { return &release; }

private:
    static c10::DataPtr make(std::size_t bytes) {
        void* data = bytes > 0 ? pool.take(bytes)->data() : nullptr;
        return {data, data, &release, torch::kCPU};
    }
};

}  // namespace

void keep_tensor_memory() {
    static Allocator allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/1);
}

}  // namespace moebert
