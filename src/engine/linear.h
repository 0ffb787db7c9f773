// Linear layers over packed weights.
//
// Everything runs on the calling thread alone, which must hold a OneThread. A row's result is the same bit for
// bit whatever other rows are computed with it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/linear_weights.h"
#include "engine/products.h"

namespace moebert::engine {

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
    // bit. None where there are too few columns, or this processor's layout doesn't allow it.
    std::vector<Linear> cut(std::int64_t parts, Result result) const;

    // Gop/s (a multiplication and an addition are two) that the products alone reach on one thread with these weights:
    // what no model of such layers exceeds.
    double ceiling() const;

private:
    struct Product;
    template <class Block>
    void in_blocks(const Operand& x, std::int64_t rows, Block block) const;

    std::shared_ptr<const Product> product_;
};

}  // namespace moebert::engine
