// A tensor in host memory, as files hold it: no arithmetic, only bytes with a type and a shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace moebert {

// `other`: types that no model here has, and whose elements may have any size.
enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean, u16, u32, u64, other };

std::size_t dtype_size(DType dtype);  // bytes of one element; 1 for `other`
const char* dtype_name(DType dtype);  // "F32", as safetensors spells it

using Shape = std::vector<std::int64_t>;

std::int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "[4, 32]"

// Row-major, contiguous. `owner` keeps the bytes alive: a file mapping or a buffer; copies share it.
struct Tensor {
    DType dtype = DType::f32;
    Shape shape;
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;

    std::int64_t size() const { return element_count(shape); }

    // The elements; throws an Error when T is not the tensor's own type.
    template <class T>
    std::span<const T> as() const;

    // A tensor that owns a copy of `values`; their number must be that of `shape`.
    template <class T>
    static Tensor from(Shape shape, std::span<const T> values);
};

using TensorMap = std::map<std::string, Tensor>;

// A copy in another floating-point type (f64, f32, f16, bf16, rounded to nearest even); the tensor itself when nothing
// changes.
Tensor convert(const Tensor& tensor, DType dtype);

}  // namespace moebert
