// That a worker allocates no memory once it has seen its largest batch. oneDNN's lists of arguments, a few hundred
// bytes a product, are its own affair: only larger blocks are counted.
#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/forward.h"
#include "engine/support.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
std::atomic<long> large_blocks{0};
constexpr std::size_t kLarge = 1024;
}  // namespace

// NOLINTBEGIN: these are the program's own
void* operator new(std::size_t size) {
    if (size >= kLarge) ++large_blocks;
    if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t boundary) {
    if (size >= kLarge) ++large_blocks;
    const auto unit = static_cast<std::size_t>(boundary);
    if (void* block = std::aligned_alloc(unit, (size + unit - 1) / unit * unit)) return block;
    throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
// NOLINTEND

namespace moebert::engine {
namespace {

TEST(Allocation, ThereIsNoneAfterTheLargestBatch) {
    const OneThread one;
    const auto sentences = random_sentences(40);
    std::vector<const Feature*> all;
    for (const auto& sentence : sentences) all.push_back(&sentence);
    for (int method = -1; method < 4; ++method) {
        const auto checkpoint = load({"cls3", method});
        for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
            if (!is_supported(precision)) continue;
            const auto weights = pack_weights(checkpoint, precision);
            Worker worker(weights);
            // Every number of rows has products of its own, which are made once.
            for (int warm_up = 0; warm_up < 2; ++warm_up)
                for (std::size_t count = all.size(); count > 0; --count) worker.run(std::span(all).first(count));
            const auto before = large_blocks.load();
            for (std::size_t count = all.size(); count > 0; --count) worker.run(std::span(all).first(count));
            EXPECT_EQ(large_blocks - before, 0) << to_string(precision) << ", method " << method;
        }
    }
    EXPECT_GT(large_blocks.load(), 0) << "they are counted";
}

}  // namespace
}  // namespace moebert::engine

#endif
