#include "io/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "core/error.h"

namespace moebert {
namespace {

struct DTypeInfo {
    const char* name;
    std::size_t size;
};

// In the order of DType.
constexpr DTypeInfo dtype_infos[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2},        {"I64", 8},
                                     {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},          {"BOOL", 1},
                                     {"U16", 2}, {"U32", 4}, {"U64", 8}, {"another type", 1}};

template <class T>
constexpr DType dtype_of = DType::u8;
template <>
constexpr DType dtype_of<double> = DType::f64;
template <>
constexpr DType dtype_of<float> = DType::f32;
template <>
constexpr DType dtype_of<std::int64_t> = DType::i64;
template <>
constexpr DType dtype_of<std::int32_t> = DType::i32;
template <>
constexpr DType dtype_of<std::int16_t> = DType::i16;
template <>
constexpr DType dtype_of<std::int8_t> = DType::i8;

}  // namespace

std::size_t dtype_size(DType dtype) { return dtype_infos[static_cast<std::size_t>(dtype)].size; }

const char* dtype_name(DType dtype) { return dtype_infos[static_cast<std::size_t>(dtype)].name; }

std::int64_t element_count(const Shape& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

template <class T>
std::span<const T> Tensor::as() const {
    if (dtype != dtype_of<T>) {
        fail("expected a tensor of type {}, found {}", dtype_name(dtype_of<T>), dtype_name(dtype));
    }
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

template <class T>
Tensor Tensor::from(Shape shape, std::span<const T> values) {
    if (element_count(shape) != static_cast<std::int64_t>(values.size())) {
        fail("a tensor of shape {} needs {} values, found {}", to_string(shape), element_count(shape), values.size());
    }
    std::shared_ptr<T[]> copy(new T[values.size()]);
    std::copy(values.begin(), values.end(), copy.get());
    return {dtype_of<T>, std::move(shape), std::as_bytes(std::span(copy.get(), values.size())), copy};
}

template std::span<const double> Tensor::as<double>() const;
template std::span<const float> Tensor::as<float>() const;
template std::span<const std::int64_t> Tensor::as<std::int64_t>() const;
template std::span<const std::int32_t> Tensor::as<std::int32_t>() const;
template std::span<const std::int16_t> Tensor::as<std::int16_t>() const;
template std::span<const std::int8_t> Tensor::as<std::int8_t>() const;
template std::span<const std::uint8_t> Tensor::as<std::uint8_t>() const;
template Tensor Tensor::from<double>(Shape, std::span<const double>);
template Tensor Tensor::from<float>(Shape, std::span<const float>);
template Tensor Tensor::from<std::int64_t>(Shape, std::span<const std::int64_t>);
template Tensor Tensor::from<std::int32_t>(Shape, std::span<const std::int32_t>);
template Tensor Tensor::from<std::int16_t>(Shape, std::span<const std::int16_t>);
template Tensor Tensor::from<std::int8_t>(Shape, std::span<const std::int8_t>);
template Tensor Tensor::from<std::uint8_t>(Shape, std::span<const std::uint8_t>);

}  // namespace moebert
