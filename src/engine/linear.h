// Linear layers with weights packed once, by oneDNN: the only file of this room that knows its interface.
//
// Everything runs on the calling thread alone, which must hold a OneThread. A row's result is the same bit for
// bit whatever other rows are computed with it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/operand.h"

namespace moebert::engine {

// The calling thread's matrix products use no other thread, until this object goes.
class OneThread {
public:
    OneThread();
    ~OneThread();
    OneThread(const OneThread&) = delete;
    OneThread& operator=(const OneThread&) = delete;

private:
    int before_;
};

// The fastest instructions that products use from now on: "avx512", "avx2", "sse4" or "plain" (which the library
// calls sse4.1). Before the first product; an Error afterwards.
void limit_products(const std::string& name);
// The instruction set in use, as oneDNN names it.
std::string product_target();

// A layer's weights in the layout that this processor's products read, and what belongs to their columns. The layout
// is oneDNN's: the same for every process with the same product_target().
struct LinearWeights {
    std::int64_t inner = 0, columns = 0;
    Precision precision = Precision::fp32;
    std::span<const std::byte> packed;  // (columns, inner), on a 64-byte boundary
    std::span<const float> bias;        // (columns)
    std::span<const float> scale;       // (columns); int8 alone
    std::span<const std::int32_t> sum;  // (columns), of a column's bytes; int8 alone
    std::shared_ptr<const void> owner;  // of what the spans show
};

// weight: (columns, inner) row-major, as checkpoints have it; bias: (columns).
LinearWeights pack(std::span<const float> weight, std::span<const float> bias, Precision precision);
// The weight again, as it was rounded.
std::vector<float> unpack(const LinearWeights& weights);
// Bytes that `packed` has.
std::size_t packed_size(std::int64_t inner, std::int64_t columns, Precision precision);

enum class Result {
    fp32,
    bf16,    // whatever the weights' precision
    operand  // of the weights' precision, for another layer to read
};

class Linear {
public:
    Linear() = default;
    // `activation` is a name that BERT configurations use, or "linear". Throws an Error for an unknown one.
    explicit Linear(LinearWeights weights, const std::string& activation = "linear", Result result = Result::fp32);

    // y = activation(x W^T + b). x: (rows, inner), y: (rows, columns); row-major and without gaps. Which of them is to
    // be called depends on the layer's Result.
    void run(const Operand& x, std::int64_t rows, float* y) const;
    void run(const Operand& x, std::int64_t rows, bf16_bits* y) const;
    void run(const Operand& x, std::int64_t rows, OperandRows& y) const;

    const LinearWeights& weights() const;

    // The same layer with another kind of result.
    Linear with(Result result) const;
    // Cut into layers that each have some of the columns, and read the same memory; their results are the same bit for
    // bit. None where there are too few columns, or this processor's layout or sums don't allow it.
    std::vector<Linear> cut(std::int64_t parts, Result result) const;

    // Gop/s (a multiplication and an addition are two) that oneDNN alone reaches on one thread with these weights: what
    // no model of such layers exceeds.
    double ceiling() const;

private:
    struct Product;
    template <class Block>
    void in_blocks(const Operand& x, std::int64_t rows, Block block) const;

    std::shared_ptr<const Product> product_;
};

}  // namespace moebert::engine
