// Conversion between floating-point types: every value is decoded to double, which holds all of them exactly, and
// encoded with one rounding to nearest even.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "io/tensor.h"

namespace moebert {
namespace {

// A binary format of IEEE 754 kind in 16 bits.
template <int ExponentBits, int MantissaBits>
struct Small {
    static constexpr int min_exponent = 2 - (1 << (ExponentBits - 1));  // of normal numbers
    static constexpr std::uint16_t infinity = ((1 << ExponentBits) - 1) << MantissaBits;
    std::uint16_t bits;

    double decode() const {
        const int exponent = (bits & infinity) >> MantissaBits;
        const double mantissa = bits & ((1 << MantissaBits) - 1);
        double magnitude;
        if (exponent == infinity >> MantissaBits) {
            magnitude = mantissa == 0 ? INFINITY : NAN;
        } else if (exponent == 0) {
            magnitude = mantissa * power_of_two(min_exponent - MantissaBits);
        } else {
            magnitude = (mantissa + (1 << MantissaBits)) * power_of_two(exponent - 1 + min_exponent - MantissaBits);
        }
        return bits & 0x8000 ? -magnitude : magnitude;
    }

    static Small encode(double value) {
        const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
        if (std::isnan(value)) return {static_cast<std::uint16_t>(sign | infinity | 1 << (MantissaBits - 1))};
        return {static_cast<std::uint16_t>(sign | encode_magnitude(std::bit_cast<std::uint64_t>(value)))};
    }

private:
    static double power_of_two(int exponent) {
        return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
    }

    // Drops the low bits of double's mantissa, rounding; a carry runs into the exponent as it should.
    static std::uint16_t encode_magnitude(std::uint64_t bits) {
        const int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
        const int shift = 52 - MantissaBits + std::max(0, min_exponent - exponent);
        if (shift > 53) return 0;
        const std::uint64_t mantissa = (bits & ((1ULL << 52) - 1)) | 1ULL << 52;
        const std::uint64_t rounded = (mantissa + (1ULL << (shift - 1)) - 1 + (mantissa >> shift & 1)) >> shift;
        const std::uint64_t field = static_cast<std::uint64_t>(std::max(exponent, min_exponent) - min_exponent);
        return static_cast<std::uint16_t>(std::min<std::uint64_t>((field << MantissaBits) + rounded, infinity));
    }
};
using Half = Small<5, 10>;
using BFloat16 = Small<8, 7>;

double decode(double value) { return value; }
double decode(float value) { return value; }
template <int E, int M>
double decode(Small<E, M> value) {
    return value.decode();
}

template <class T>
T encode(double value) {
    if constexpr (std::is_floating_point_v<T>) {
        return static_cast<T>(value);
    } else {
        return T::encode(value);
    }
}

template <class From, class To>
Tensor convert_elements(const Tensor& tensor, DType dtype) {
    const auto count = tensor.bytes.size() / sizeof(From);
    const auto* from = reinterpret_cast<const From*>(tensor.bytes.data());
    std::shared_ptr<To[]> to(new To[count]);
    std::transform(from, from + count, to.get(), [](From value) { return encode<To>(decode(value)); });
    return {dtype, tensor.shape, std::as_bytes(std::span(to.get(), count)), to};
}

template <class From>
Tensor convert_from(const Tensor& tensor, DType dtype) {
    switch (dtype) {
        case DType::f64:
            return convert_elements<From, double>(tensor, dtype);
        case DType::f32:
            return convert_elements<From, float>(tensor, dtype);
        case DType::f16:
            return convert_elements<From, Half>(tensor, dtype);
        case DType::bf16:
            return convert_elements<From, BFloat16>(tensor, dtype);
        default:
            fail("can't convert a tensor of type {} to {}", dtype_name(tensor.dtype), dtype_name(dtype));
    }
}

}  // namespace

Tensor convert(const Tensor& tensor, DType dtype) {
    if (tensor.dtype == dtype) return tensor;
    switch (tensor.dtype) {
        case DType::f64:
            return convert_from<double>(tensor, dtype);
        case DType::f32:
            return convert_from<float>(tensor, dtype);
        case DType::f16:
            return convert_from<Half>(tensor, dtype);
        case DType::bf16:
            return convert_from<BFloat16>(tensor, dtype);
        default:
            fail("can't convert a tensor of type {} to {}", dtype_name(tensor.dtype), dtype_name(dtype));
    }
}

}  // namespace moebert
