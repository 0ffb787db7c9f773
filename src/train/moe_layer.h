// The mixture-of-experts feed-forward layer: a router that gives every row one expert, and the experts.
#pragma once

#include <functional>
#include <vector>

#include "core/expert_load.h"
#include "io/model_config.h"
#include "train/batch.h"
#include "train/ops.h"

namespace moebert {

// LayerNorm(x + dropout(W2 act(W1 x + b1) + b2))
struct FeedForward {
    Linear up;    // (D, H)
    Linear down;  // (H, D)
    LayerNorm norm;
};

struct FeedForwardSetting {
    std::string hidden_act;
    double epsilon;
    torch::ScalarType dtype;
    Dropout dropout;
};

// Called with z = W1 x + b1 and a = act(z); may be empty.
using ActivationObserver = std::function<void(const torch::Tensor& z, const torch::Tensor& a)>;

torch::Tensor feed_forward(const FeedForward& layer, const torch::Tensor& x, const FeedForwardSetting& setting,
                           const ActivationObserver& observer = {});

struct Router {
    RouteMethod method = RouteMethod::hash_random;
    torch::Tensor hash_table;  // (V) int64; hash methods
    torch::Tensor gate;        // (N, H); gated methods
};

struct Routing {
    torch::Tensor expert;            // (T) int64
    torch::Tensor probability;       // (T, 1) of the chosen expert; undefined for hash methods
    torch::Tensor mean_probability;  // (N), over tokens or (gate-sentence) sentences; undefined for hash methods
    torch::Tensor load;              // (N) int64, tokens or (gate-sentence) sentences of each expert
};

// x: (T, H), the layer's input.
Routing route(const Router& router, std::int64_t num_experts, const torch::Tensor& x, const Batch& batch);

ExpertLoad no_load(const ModelConfig& config);  // zeros
// `load`: of one batch, a layer (N).
void add_load(ExpertLoad& sum, const std::vector<torch::Tensor>& load);

// Every row through its expert, in float32. An expert without rows takes no part, and gets no gradient.
torch::Tensor apply_experts(const std::vector<FeedForward>& experts, const Routing& routing, const torch::Tensor& x,
                            const FeedForwardSetting& setting);
// The same by products over all experts at once, each with as many slots as the one with most rows: for GPUs, where to
// start a product takes longer than to do it. No weight may be packed.
torch::Tensor apply_experts_batched(const std::vector<FeedForward>& experts, const Routing& routing,
                                    const torch::Tensor& x, const FeedForwardSetting& setting);

}  // namespace moebert
