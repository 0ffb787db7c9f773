// Where threads that work closely together wait for each other.
#pragma once

#include <hwy/cache_control.h>

#include <atomic>
#include <cstdint>

namespace moebert::engine {

// A barrier for waits that are mostly shorter than falling asleep and waking up takes: it looks again and again for
// some 0.1 ms first.
class Meeting {
public:
    // Thrown to all who wait or come when one of them has left.
    struct Left {};

    explicit Meeting(std::int64_t members) : members_(members) {}

    void wait_for_all() {
        const auto round = round_.load();
        if (left_) throw Left{};
        if (arrived_.fetch_add(1) + 1 == members_) {
            arrived_ = 0;
            next_round();
        } else {
            for (int i = 0; i < kLooks && round_.load() == round; ++i) hwy::Pause();
            round_.wait(round);
        }
        if (left_) throw Left{};
    }

    // By one that can't go on.
    void leave() {
        left_ = true;
        next_round();
    }

private:
    static constexpr int kLooks = 2000;  // of about 50 ns

    void next_round() {
        ++round_;
        round_.notify_all();
    }

    std::int64_t members_;
    std::atomic<std::int64_t> arrived_ = 0;
    std::atomic<std::uint32_t> round_ = 0;
    std::atomic<bool> left_ = false;
};

}  // namespace moebert::engine
