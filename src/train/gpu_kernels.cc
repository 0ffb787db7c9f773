#include "train/gpu_kernels.h"

#include <cstdlib>

#include "core/error.h"
#include "train/ops.h"

namespace moebert::gpu {

#ifdef MOEBERT_CUDA

void make_deterministic() {
    ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // cuBLAS asks for it
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(true, /*warn_only=*/false);
    context.setDeterministicFillUninitializedMemory(false);
}

// libtorch's kernels of sentences without padding drop other probabilities in the backward pass than in the forward
// pass.
torch::Tensor attention(const torch::Tensor& qkv, const BatchLayout& layout, kernels::Heads heads, double dropout_p) {
    const auto parts = to_slots(qkv, layout.padded)
                           .view({layout.sentences(), layout.longest, 3, heads.count, heads.size})
                           .permute({2, 0, 3, 1, 4})
                           .unbind();
    std::optional<torch::Tensor> mask;  // of (B, h, L, L)
    if (layout.key_bias.defined())
        mask = layout.key_bias.view({layout.sentences(), 1, 1, layout.longest}).to(qkv.scalar_type());
    const auto context = at::scaled_dot_product_attention(parts[0], parts[1], parts[2], mask, dropout_p);
    return from_slots(context.transpose(1, 2).reshape({-1, heads.count * heads.size}), layout.padded);
}

void adamw(const AdamSetting& s, const AdamGroup& group) {
    const auto device = group.parameters.front().device();
    const auto steps = torch::tensor(group.steps).to(device).unbind();
    // It divides by what it calls the scale.
    std::optional<torch::Tensor> divisor;
    if (s.grad_scale != 1.0) divisor = torch::full({}, 1.0 / s.grad_scale, torch::device(device));
    at::_fused_adamw_(group.parameters, group.gradients, group.means, group.variances, /*max_exp_avg_sqs=*/{}, steps,
                      s.learning_rate, s.beta1, s.beta2, s.weight_decay, s.epsilon, /*amsgrad=*/false,
                      /*maximize=*/false, divisor);
}

#else

namespace {
[[noreturn]] void fail_without_gpu() { fail("this build has no GPU kernels"); }
}  // namespace

void make_deterministic() { fail_without_gpu(); }
torch::Tensor attention(const torch::Tensor&, const BatchLayout&, kernels::Heads, double) { fail_without_gpu(); }
void adamw(const AdamSetting&, const AdamGroup&) { fail_without_gpu(); }

#endif

}  // namespace moebert::gpu
