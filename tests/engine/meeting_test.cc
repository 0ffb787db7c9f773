#include "engine/meeting.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace moebert::engine {
namespace {

TEST(Meeting, NobodyIsARoundAhead) {
    constexpr int kMembers = 3, kRounds = 2000;
    Meeting meeting(kMembers);
    std::vector<int> rounds(kMembers, 0);  // each member writes its own, and reads all between two meetings
    std::atomic<int> wrong = 0;
    {
        std::vector<std::jthread> members;
        for (std::size_t i = 0; i < kMembers; ++i)
            members.emplace_back([&, i] {
                for (int round = 1; round <= kRounds; ++round) {
                    rounds[i] = round;
                    meeting.wait_for_all();
                    for (const int other : rounds) wrong += other != round;
                    meeting.wait_for_all();
                }
            });
    }
    EXPECT_EQ(wrong, 0);
}

TEST(Meeting, EndsForAllWhenOneLeaves) {
    Meeting meeting(3);
    std::atomic<int> told = 0;
    {
        std::vector<std::jthread> members;
        for (int i = 0; i < 2; ++i)
            members.emplace_back([&] {
                try {
                    meeting.wait_for_all();
                } catch (const Meeting::Left&) {
                    ++told;
                }
            });
        meeting.leave();
    }
    EXPECT_EQ(told, 2);
    EXPECT_THROW(meeting.wait_for_all(), Meeting::Left);
}

}  // namespace
}  // namespace moebert::engine
