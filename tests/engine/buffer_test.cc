#include "engine/buffer.h"

#include <gtest/gtest.h>

#include <cstring>

namespace moebert::engine {
namespace {

bool is_aligned(const void* address, std::uintptr_t boundary) {
    return reinterpret_cast<std::uintptr_t>(address) % boundary == 0;
}

TEST(BufferMemory, BeginsOnALineAndWhereItIsLargeOnAHugePage) {
    for (const std::size_t size : {1U, 63U, 1000U, 100000U}) {
        EXPECT_TRUE(is_aligned(Buffer<std::byte>(size).data(), 64)) << size;
        EXPECT_TRUE(is_aligned(Buffer<float>(size).data(), 64)) << size;
    }
    EXPECT_TRUE(is_aligned(Buffer<float>(std::size_t{3} << 20).data(), std::uintptr_t{2} << 20));
}

TEST(BufferMemory, GrowsKeepsItsValuesAndNeverShrinks) {
    Buffer<int> values;
    grow(values, 3);
    values[2] = 7;
    grow(values, 5000000);
    EXPECT_EQ(values[2], 7);
    EXPECT_EQ(values.back(), 0);
    grow(values, 1);
    EXPECT_EQ(values.size(), 5000000U);
}

TEST(BufferMemory, AnArenasPiecesDoNotTouch) {
    const auto arena = make_arena();
    std::vector<std::byte*> pieces;
    const std::size_t size = 700000;
    for (int i = 0; i < 80; ++i) {  // more than it begins with
        pieces.push_back(static_cast<std::byte*>(arena->allocate(size, 64)));
        EXPECT_TRUE(is_aligned(pieces.back(), 64));
        std::memset(pieces.back(), i, size);
    }
    for (int i = 0; i < 80; ++i) {
        EXPECT_EQ(std::to_integer<int>(pieces[static_cast<std::size_t>(i)][0]), i);
        EXPECT_EQ(std::to_integer<int>(pieces[static_cast<std::size_t>(i)][size - 1]), i);
    }
}

}  // namespace
}  // namespace moebert::engine
