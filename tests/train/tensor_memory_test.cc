#include "train/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <thread>

#include "train/torch.h"

namespace moebert {
namespace {

class TensorMemory : public testing::Test {
protected:
    void SetUp() override { keep_tensor_memory(); }
};

torch::Tensor of_bytes(std::int64_t count) { return torch::empty({count}, torch::kUInt8); }

TEST_F(TensorMemory, IsAlignedWhateverTheSize) {
    for (const std::int64_t bytes : {1, 63, 65, 4096, 100001, 2097152, 5000000}) {
        auto tensor = of_bytes(bytes);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 64, 0U) << bytes;
        tensor.fill_(7);
        EXPECT_EQ(tensor[bytes - 1].item<int>(), 7);
    }
    EXPECT_EQ(of_bytes(0).data_ptr(), nullptr);
}

TEST_F(TensorMemory, GoesToTheNextTensorOfAboutItsSize) {
    const void* place = nullptr;
    {
        const auto tensor = of_bytes(3000000);
        place = tensor.data_ptr();
        EXPECT_NE(of_bytes(3000000).data_ptr(), place);
    }
    const auto small = of_bytes(70000);  // would waste most of it
    EXPECT_NE(small.data_ptr(), place);
    const auto other = of_bytes(2900000), another = of_bytes(2900000);
    EXPECT_TRUE(other.data_ptr() == place || another.data_ptr() == place);
}

// As gelu does through ATen's own use of oneDNN.
TEST_F(TensorMemory, IsTakenAndFreedWithoutTensorsToo) {
    auto* allocator = c10::GetCPUAllocator();
    for (const std::size_t bytes : {std::size_t{100}, std::size_t{1} << 20}) {
        void* data = allocator->raw_allocate(bytes);
        ASSERT_NE(data, nullptr);
        allocator->raw_deallocate(data);
    }
}

TEST_F(TensorMemory, IsSafeToFreeInAnotherThread) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([t] {
            for (int i = 1; i < 200; ++i) {
                auto tensor = torch::full({i * 1000}, t);
                std::thread([tensor = std::move(tensor), t] { EXPECT_TRUE(tensor.eq(t).all().item<bool>()); }).join();
            }
        });
    for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace moebert
