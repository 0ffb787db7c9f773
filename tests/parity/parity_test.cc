#include "parity.h"

#include <gtest/gtest.h>

#include "train/torch.h"

namespace moebert::parity {
namespace {

class Parity : public testing::TestWithParam<const char*> {};

void expect_parity(const std::string& fixture, const std::string& device) {
    const auto checks =
        check_folder(std::filesystem::path(MOEBERT_SOURCE_DIR "/tests/parity/fixtures") / fixture, device);
    EXPECT_GE(checks.size(), 38U);
    for (const auto& check : checks)
        EXPECT_TRUE(check.passed()) << check.kind << ": " << check.where << ": error " << check.error << ", bound "
                                    << check.bound << ", " << check.numbers << " numbers";
}

TEST_P(Parity, EveryNumberOfTheFolderIsWithinFloat32sError) { expect_parity(GetParam(), "cpu"); }

TEST_P(Parity, SoItIsOnAGpu) {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU is available to this build";
    expect_parity(GetParam(), "cuda");
}

INSTANTIATE_TEST_SUITE_P(Folders, Parity, testing::Values("cls3", "reg", "qa"));

}  // namespace
}  // namespace moebert::parity
