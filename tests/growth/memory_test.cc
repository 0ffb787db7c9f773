// The program's own allocation functions, which count what is in use.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <new>

#include "growth/growth.h"

namespace {

std::atomic<std::size_t> in_use{0}, most{0};

void* counted(void* block) {
    if (!block) throw std::bad_alloc();
    const auto now = in_use += ::malloc_usable_size(block);
    if (now > most) most = now;  // the parsers use one thread
    return block;
}

void release(void* block) {
    if (block) in_use -= ::malloc_usable_size(block);
    std::free(block);
}

double processor_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

// NOLINTBEGIN: these are the program's own
void* operator new(std::size_t size) { return counted(std::malloc(size == 0 ? 1 : size)); }
void* operator new(std::size_t size, std::align_val_t boundary) {
    const auto unit = static_cast<std::size_t>(boundary);
    return counted(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void operator delete(void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete(void* block, std::align_val_t) noexcept { release(block); }
// NOLINTEND

namespace moebert::test {

Cost cost_of(const std::function<void()>& action) {
    constexpr int kRuns = 7;
    Cost cost{1e9, 0};
    for (int run = 0; run < kRuns; ++run) {
        const auto before = in_use.load();
        most = before;
        const double start = processor_seconds();
        action();
        cost.seconds = std::min(cost.seconds, processor_seconds() - start);
        cost.bytes = most - before;
    }
    return cost;
}

TEST(Growth, IsMeasured) {
    const auto cost = cost_of([] { std::string(1'000'000, 'x').swap(*std::make_unique<std::string>()); });
    EXPECT_GE(cost.bytes, 1'000'000U);
    EXPECT_LT(cost.bytes, 1'100'000U);
    EXPECT_GT(cost.seconds, 0.0);
}

}  // namespace moebert::test
