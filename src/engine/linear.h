// Linear layers with weights packed once, by oneDNN: the only file of this room that knows its interface.
//
// Everything runs on the calling thread alone, which must have called use_one_thread(). A row's result is the same bit
// for bit whatever other rows are computed with it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace moebert::engine {

enum class Precision { fp32, bf16 };  // of the operands; sums are float32

std::string to_string(Precision precision);

// Whether this processor multiplies matrices in it faster than in float32.
bool is_supported(Precision precision);

// The calling thread's matrix products use no other thread.
void use_one_thread();

class Linear {
public:
    Linear() = default;
    // weight: (columns, inner) row-major, as checkpoints have it; bias: (columns). `activation` is a name that BERT
    // configurations use, or "linear". Results have the precision `out`. Throws an Error for an unknown activation.
    Linear(std::span<const float> weight, std::span<const float> bias, Precision in, Precision out,
           const std::string& activation = "linear");

    // y = activation(x W^T + b). x: (rows, inner), y: (rows, columns); both row-major and without gaps.
    void run(const void* x, std::int64_t rows, void* y) const;

    std::int64_t inner() const;
    std::int64_t columns() const;

private:
    struct Packed;
    std::shared_ptr<const Packed> packed_;
};

}  // namespace moebert::engine
