#include "moe/options.h"

#include "io/support.h"

namespace moebert {
namespace {

MoeConfig sizes(std::int64_t intermediate_size, MoeOptions options = {}) {
    auto moe = moe_config(options, intermediate_size);
    check_split({moe.num_experts, moe.expert_size, moe.shared_size, intermediate_size});
    return moe;
}

TEST(MoeSizes, AreAQuarterAndASixthOfTheModelsWidth) {
    EXPECT_EQ(sizes(3072).expert_size, 768);
    EXPECT_EQ(sizes(3072).shared_size, 512);
    EXPECT_EQ(sizes(1536).expert_size, 384);
    EXPECT_EQ(sizes(1536).shared_size, 256);
    EXPECT_EQ(sizes(64).expert_size, 16);
    EXPECT_EQ(sizes(64).shared_size, 10);
}

TEST(MoeSizes, FitEveryNumberOfExperts) {
    for (const std::int64_t width : {64, 1536, 3072})
        for (const std::int64_t experts : {1, 2, 9, 64, 512}) {
            MoeOptions options;
            options.num_experts = experts;
            EXPECT_GE(sizes(width, options).expert_size, 1) << width << ' ' << experts;
        }
}

TEST(MoeSizes, FollowTheOneThatIsGiven) {
    MoeOptions small, large;
    small.expert_size = 300;
    EXPECT_EQ(sizes(3072, small).shared_size, 200);
    large.shared_size = 1000;
    EXPECT_EQ(sizes(3072, large).expert_size, 1500);
}

TEST(MoeSizes, ThatCannotBeAreRefused) {
    MoeOptions options;
    options.expert_size = 2000;
    EXPECT_ERROR(sizes(3072, options), "expert_size: 2000 given");
    options = {};
    options.num_experts = 0;
    EXPECT_ERROR(sizes(3072, options), "num_experts: 0 given");
}

}  // namespace
}  // namespace moebert
