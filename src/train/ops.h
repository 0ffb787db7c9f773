// Differentiable operations over packed rows. On CPUs they run the kernels of kernels.h; on GPUs attention
// runs that of gpu_kernels.h, and the rest, as in tests that compare, plain twins out of libtorch's own operators.
#pragma once

#include <memory>
#include <optional>

#include "train/batch.h"
#include "train/kernels.h"
#include "train/matmul.h"
#include "train/torch.h"

namespace moebert {

using kernels::Dropout;
using kernels::Heads;

struct Linear {
    torch::Tensor weight;  // (out, in)
    torch::Tensor bias;    // (out)
    // In place of `weight`, once frozen on a CPU: then there are no gradients, and the operands are of its precision.
    std::optional<PackedMatrix> packed = {};
};

struct LayerNorm {
    torch::Tensor weight, bias;  // (H)
};

// x W^T + b with operands in `dtype` (float32 or bfloat16) and the result in `result`. Gradients of weight and bias are
// float32.
torch::Tensor linear(const torch::Tensor& x, const Linear& layer, torch::ScalarType dtype,
                     torch::ScalarType result = torch::kFloat32);

// The layer for inference alone, with operands in `dtype`.
Linear frozen(const Linear& layer, torch::ScalarType dtype);

// qkv: (T, 3H), float32 on a CPU -> context (T, H) of the same type.
torch::Tensor attention(const torch::Tensor& qkv, const std::shared_ptr<const BatchLayout>& layout, Heads heads,
                        Dropout dropout);
torch::Tensor attention_plain(const torch::Tensor& qkv, const BatchLayout& layout, Heads heads, double dropout_p);

// LayerNorm(residual + dropout(x)); (T, H) float32.
torch::Tensor add_norm(const torch::Tensor& x, const torch::Tensor& residual, const LayerNorm& norm, double epsilon,
                       Dropout dropout);
torch::Tensor add_norm_plain(const torch::Tensor& x, const torch::Tensor& residual, const LayerNorm& norm,
                             double epsilon, double dropout_p);

torch::Tensor dropout(const torch::Tensor& x, Dropout dropout);

// The activation functions of BERT configurations, by their names in config.json.
torch::Tensor activation(const torch::Tensor& x, const std::string& name);

// (T, H) to (S, H); gradients of gaps are left out.
torch::Tensor to_slots(const torch::Tensor& x, const Slots& slots);
// (S, H) to (T, H); gaps get gradients of zero.
torch::Tensor from_slots(const torch::Tensor& x, const Slots& slots);

}  // namespace moebert
