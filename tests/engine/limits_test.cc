// The engine's tests run once more for each set of instructions that MOEBERT_CPU_ISA names: see CMakeLists.txt.
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.h"
#include "engine/kernels.h"
#include "engine/limits.h"
#include "engine/linear.h"
#include "engine/tiles.h"

namespace moebert::engine {
namespace {

// Before any test, and so before the first product.
const bool is_limited = [] {
    limit_instruction_set_from_environment();
    return std::getenv("MOEBERT_CPU_ISA") != nullptr;
}();

TEST(InstructionSet, IsTheOneThatWasAskedFor) {
    if (!is_limited) GTEST_SKIP() << "MOEBERT_CPU_ISA is not set";
    const std::string asked = std::getenv("MOEBERT_CPU_ISA");
    const auto products = product_target(), vectors = vector_target();
    EXPECT_FALSE(runs_on_tiles());
    if (asked == "avx512_bf16") {
        EXPECT_EQ(products.find("AMX"), std::string::npos) << products;
        EXPECT_EQ(is_supported(Precision::bf16), products.ends_with("BF16")) << products;
        return;
    }
    if (asked == "avx512") {
        if (products.find("AVX512") == std::string::npos) GTEST_SKIP() << "this processor has no AVX-512";
        EXPECT_TRUE(products.ends_with("AVX512_CORE")) << products;
        EXPECT_TRUE(vectors.starts_with("AVX3")) << vectors;
    } else if (asked == "avx2") {
        EXPECT_TRUE(products.ends_with("AVX2, panels")) << products;
        EXPECT_EQ(vectors, "AVX2");
    } else {
        EXPECT_TRUE(products.ends_with("SSE4.1, panels")) << products;
        EXPECT_TRUE(vectors == "SSE2" || vectors == "EMU128" || vectors == "SCALAR") << vectors;
    }
    EXPECT_FALSE(is_supported(Precision::bf16));
    EXPECT_EQ(is_supported(Precision::int8), asked == "avx2");
    EXPECT_EQ(fastest_precision(), Precision::fp32);
}

TEST(InstructionSet, OfAnotherNameIsRefused) { EXPECT_THROW(limit_instruction_set("avx1024"), UsageError); }

}  // namespace
}  // namespace moebert::engine
