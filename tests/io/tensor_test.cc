#include "io/tensor.h"

#include <bit>
#include <cmath>
#include <limits>

#include "io/shape.h"
#include "io/support.h"

namespace moebert {
namespace {

std::uint16_t bits_as(DType dtype, double value) {
    const Tensor converted = convert(test::tensor<double>({}, {value}), dtype);
    std::uint16_t bits;
    std::memcpy(&bits, converted.bytes.data(), sizeof(bits));
    return bits;
}

Tensor from_bits(DType dtype, const std::vector<std::uint16_t>& bits) {
    Tensor tensor = test::tensor<std::int16_t>({static_cast<std::int64_t>(bits.size())},
                                               std::vector<std::int16_t>(bits.begin(), bits.end()));
    tensor.dtype = dtype;
    return tensor;
}

TEST(TensorType, HasTheNameAndSizeOfSafetensors) {
    EXPECT_STREQ(dtype_name(DType::bf16), "BF16");
    EXPECT_STREQ(dtype_name(DType::boolean), "BOOL");
    EXPECT_EQ(dtype_size(DType::f64), 8u);
    EXPECT_EQ(dtype_size(DType::f16), 2u);
    EXPECT_EQ(dtype_size(DType::u8), 1u);
}

TEST(Tensor, GivesItsElementsInItsOwnTypeOnly) {
    const Tensor tensor = test::tensor<float>({2, 2}, {1, 2, 3, 4});
    EXPECT_EQ(tensor.size(), 4);
    EXPECT_EQ(tensor.as<float>()[3], 4.f);
    EXPECT_ERROR(tensor.as<double>(), "expected a tensor of type F64, found F32");
}

TEST(Tensor, NeedsAsManyValuesAsItsShapeHas) {
    EXPECT_ERROR(test::tensor<float>({2, 3}, {1, 2}), "a tensor of shape [2, 3] needs 6 values, found 2");
}

TEST(Conversion, ToTheSameTypeIsTheTensorItself) {
    const Tensor tensor = test::tensor<float>({1}, {1});
    EXPECT_EQ(convert(tensor, DType::f32).bytes.data(), tensor.bytes.data());
}

TEST(Conversion, RoundsToNearestEven) {
    EXPECT_EQ(bits_as(DType::bf16, 1.0), 0x3f80);
    EXPECT_EQ(bits_as(DType::bf16, 1.0 + std::ldexp(1, -8)), 0x3f80);                       // tie, to even below
    EXPECT_EQ(bits_as(DType::bf16, 1.0 + 3 * std::ldexp(1, -8)), 0x3f82);                   // tie, to even above
    EXPECT_EQ(bits_as(DType::bf16, 1.0 + std::ldexp(1, -8) + std::ldexp(1, -50)), 0x3f81);  // just over, lost in f32
    EXPECT_EQ(bits_as(DType::f16, 2049), 0x6800);
    EXPECT_EQ(bits_as(DType::f16, 2051), 0x6802);
    EXPECT_EQ(bits_as(DType::f16, 65519.99), 0x7bff);
    EXPECT_EQ(bits_as(DType::f16, 65520), 0x7c00);  // half way to what would follow the largest: infinity
}

TEST(Conversion, KeepsSubnormalsZerosInfinitiesAndNan) {
    EXPECT_EQ(bits_as(DType::f16, std::ldexp(1, -24)), 0x0001);
    EXPECT_EQ(bits_as(DType::f16, std::ldexp(1, -25)), 0x0000);  // tie, to even
    EXPECT_EQ(bits_as(DType::f16, std::ldexp(1.5, -25)), 0x0001);
    EXPECT_EQ(bits_as(DType::f16, std::ldexp(1023.5, -24)), 0x0400);  // rounds up into the normal numbers
    EXPECT_EQ(bits_as(DType::f16, -0.0), 0x8000);
    EXPECT_EQ(bits_as(DType::bf16, -INFINITY), 0xff80);
    EXPECT_EQ(bits_as(DType::bf16, 1e300), 0x7f80);
    EXPECT_EQ(bits_as(DType::bf16, std::numeric_limits<double>::denorm_min()), 0x0000);
    EXPECT_EQ(bits_as(DType::f16, NAN) & 0x7e00, 0x7e00);
}

TEST(Conversion, OfEverySixteenBitNumberToFloatAndBackChangesNothing) {
    std::vector<std::uint16_t> all(1 << 16);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
    for (const DType dtype : {DType::f16, DType::bf16}) {
        const Tensor original = from_bits(dtype, all);
        const Tensor floats = convert(original, DType::f32);
        const Tensor back = convert(floats, dtype);
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (std::isnan(floats.as<float>()[i])) continue;  // the payload of a NaN may differ
            ASSERT_EQ(std::memcmp(&original.bytes[2 * i], &back.bytes[2 * i], 2), 0) << dtype_name(dtype) << " " << i;
        }
    }
}

TEST(Conversion, OfBfloat16IsTheUpperHalfOfAFloat) {
    const Tensor floats = convert(from_bits(DType::bf16, {0x3f80, 0xc2f7, 0x0001}), DType::f32);
    for (const auto& [i, bits] : {std::pair{0, 0x3f800000u}, {1, 0xc2f70000u}, {2, 0x00010000u}}) {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(floats.as<float>()[static_cast<std::size_t>(i)]), bits);
    }
}

TEST(Conversion, OfIntegersIsRefused) {
    EXPECT_ERROR(convert(test::tensor<std::int64_t>({1}, {1}), DType::f32),
                 "can't convert a tensor of type I64 to F32");
    EXPECT_ERROR(convert(test::tensor<float>({1}, {1}), DType::i64), "can't convert a tensor of type F32 to I64");
}

TEST(ByteSize, IsNothingWhenItOverflowsOrIsNegative) {
    EXPECT_EQ(checked_byte_size({2, 3}, DType::f32), 24u);
    EXPECT_EQ(checked_byte_size({}, DType::f64), 8u);
    EXPECT_EQ(checked_byte_size({1LL << 31, 1LL << 31}, DType::f32), std::nullopt);
    EXPECT_EQ(checked_byte_size({-1}, DType::u8), std::nullopt);
}

}  // namespace
}  // namespace moebert
