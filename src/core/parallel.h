// Independent pieces of work on several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/cores.h"

namespace moebert {

// Runs work(i) for all i below `size` on up to `threads` threads (0: one a core), a block of neighbours at a time, and
// throws the first exception that one of them threw.
template <class Work>
void in_parallel(std::size_t size, unsigned threads, Work work) {
    constexpr std::size_t kBlock = 256;
    const std::size_t blocks = (size + kBlock - 1) / kBlock;
    if (threads == 0) threads = usable_cores();
    threads = static_cast<unsigned>(std::min<std::size_t>(threads, blocks));
    std::atomic<std::size_t> next = 0;
    std::exception_ptr error;
    std::mutex error_mutex;
    const auto take_blocks = [&] {
        try {
            for (std::size_t block = next++; block < blocks; block = next++)
                for (std::size_t i = block * kBlock; i < std::min(size, (block + 1) * kBlock); ++i) work(i);
        } catch (...) {
            const std::lock_guard lock(error_mutex);
            if (!error) error = std::current_exception();
            next = blocks;
        }
    };
    {
        std::vector<std::jthread> workers;
        for (unsigned i = 1; i < threads; ++i) workers.emplace_back(take_blocks);
        take_blocks();
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace moebert
