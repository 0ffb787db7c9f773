#include "parity.h"

#include <gtest/gtest.h>

namespace moebert::parity {
namespace {

class Parity : public testing::TestWithParam<const char*> {};

TEST_P(Parity, EveryNumberOfTheFolderIsWithinFloat32sError) {
    const auto checks = check_folder(std::filesystem::path(MOEBERT_SOURCE_DIR "/tests/parity/fixtures") / GetParam());
    EXPECT_GE(checks.size(), 38U);
    for (const auto& check : checks)
        EXPECT_TRUE(check.passed()) << check.kind << ": " << check.where << ": error " << check.error << ", bound "
                                    << check.bound << ", " << check.numbers << " numbers";
}

INSTANTIATE_TEST_SUITE_P(Folders, Parity, testing::Values("cls3", "reg", "qa"));

}  // namespace
}  // namespace moebert::parity
