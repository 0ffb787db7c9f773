// Operations for which libtorch has fused kernels on GPUs. Only builds with MOEBERT_CUDA have them; in others no tensor
// is on a GPU, and they fail.
#pragma once

#include <vector>

#include "train/batch.h"
#include "train/kernels.h"
#include "train/torch.h"

namespace moebert::gpu {

// Every later operation gives the same bits each time.
void make_deterministic();

// Scaled dot-product attention of all sentences at once. qkv: (T, 3H) float32, bfloat16 or float16 -> context (T, H) of
// the same type.
torch::Tensor attention(const torch::Tensor& qkv, const BatchLayout& layout, kernels::Heads heads, double dropout_p);

// One pass of AdamW over parameters of one weight decay, at least one; `steps` are each parameter's, this one counted.
struct AdamGroup {
    std::vector<torch::Tensor> parameters, gradients, means, variances;
    std::vector<float> steps;
};
struct AdamSetting {
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double grad_scale;  // gradients are multiplied by this first
};
void adamw(const AdamSetting& setting, const AdamGroup& group);

}  // namespace moebert::gpu
