#include "tasks/features.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace moebert {
namespace {

Feature make_feature(const Example& example, const Tokenizer& tokenizer, std::size_t max_seq_length) {
    Encoding encoding = tokenizer.encode(example.sentence1, example.sentence2, max_seq_length);
    return {std::move(encoding.input_ids), std::move(encoding.token_type_ids), example.label};
}

unsigned count_threads(unsigned wanted, std::size_t blocks) {
    if (wanted == 0) wanted = std::max(1U, std::thread::hardware_concurrency());
    return static_cast<unsigned>(std::min<std::size_t>(wanted, blocks));
}

// Runs do_block(i) for all i below `blocks`; throws the first exception that one of them threw.
template <class DoBlock>
void in_parallel(std::size_t blocks, unsigned threads, DoBlock do_block) {
    std::atomic<std::size_t> next = 0;
    std::exception_ptr error;
    std::mutex error_mutex;
    const auto work = [&] {
        try {
            for (std::size_t i = next++; i < blocks; i = next++) do_block(i);
        } catch (...) {
            const std::lock_guard lock(error_mutex);
            if (!error) error = std::current_exception();
            next = blocks;
        }
    };
    {
        std::vector<std::jthread> workers;
        for (unsigned i = 1; i < threads; ++i) workers.emplace_back(work);
        work();
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace

std::vector<Feature> make_features(const Dataset& dataset, const Tokenizer& tokenizer, std::size_t max_seq_length,
                                   unsigned threads) {
    constexpr std::size_t block_size = 256;
    const std::size_t size = dataset.examples.size();
    const std::size_t blocks = (size + block_size - 1) / block_size;
    std::vector<Feature> features(size);
    in_parallel(blocks, count_threads(threads, blocks), [&](std::size_t block) {
        for (std::size_t i = block * block_size; i < std::min(size, (block + 1) * block_size); ++i) {
            features[i] = make_feature(dataset.examples[i], tokenizer, max_seq_length);
        }
    });
    return features;
}

}  // namespace moebert
