// BERT on libtorch, dense or mixture of experts, over packed batches.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/checkpoint.h"
#include "train/batch.h"
#include "train/moe_layer.h"
#include "train/ops.h"

namespace moebert {

struct EncoderLayer {
    Linear qkv;  // query, key and value side by side: (3H, H)
    Linear attention_output;
    LayerNorm attention_norm;
    std::vector<FeedForward> experts;  // one for a dense layer
    Router router;                     // unused in a dense layer
};

struct Embeddings {
    torch::Tensor word, position, token_type;  // (V, H), (P, H), (2, H)
    LayerNorm norm;
};

struct Model {
    ModelConfig config;
    Embeddings embeddings;
    std::vector<EncoderLayer> layers;
    Linear pooler;  // absent for question answering
    Linear head;    // classifier or qa_outputs

    torch::Device device() const { return embeddings.word.device(); }
};

// One trainable tensor. In files it is `names.size()` tensors, stacked along the first dimension.
struct Parameter {
    std::vector<std::string> names;
    torch::Tensor* tensor;

    bool decays() const;  // neither a bias nor a LayerNorm weight
};

std::vector<Parameter> parameters(Model& model);

// Head tensors that the checkpoint lacks are drawn from N(0, initializer_range), biases zero, out of `seed`.
// Training needs gradients; inference does not.
Model load_model(const Checkpoint& checkpoint, std::uint64_t seed = 0, bool requires_grad = false,
                 torch::Device device = torch::kCPU);

// Converts the encoder's matrices, for inference in `dtype`, and packs them, so that no pass has to. The model can no
// longer be trained or saved.
void freeze_weights(Model& model, torch::ScalarType dtype);

// The tensors of a checkpoint, copied to host memory; hash tables included.
TensorMap model_tensors(Model& model);

// As a checkpoint, with its tokenizer.
void save_model(Model& model, const std::filesystem::path& directory, const TokenizerSource& tokenizer_source);

torch::Tensor to_torch(const Tensor& tensor);    // a copy
Tensor from_torch(const torch::Tensor& tensor);  // a copy, float32 or int64

// Sees z = W1 x + b1 and a = act(z) of every dense feed-forward layer; how importance is measured.
using FeedForwardObserver =
    std::function<void(std::int64_t layer, const torch::Tensor& z, const torch::Tensor& a, const torch::Tensor& bias)>;

struct ForwardOptions {
    bool training = false;                      // dropout on
    torch::ScalarType dtype = torch::kFloat32;  // operands of matrix products
    std::uint64_t dropout_key = 0;              // of this step
    std::optional<double> dropout = {};         // of hidden states and attention, instead of the config's
    bool hidden_states = false;                 // keep them
    const FeedForwardObserver* observer = nullptr;
    // With several processes, that of a model with gates calls it once, with the (L, N) int64 loads: they are to be
    // added up over processes.
    std::function<void(const torch::Tensor&)> sum_load = {};
};

struct ForwardResult {
    torch::Tensor logits;                      // (B, C); question answering: (T, 2), start and end
    std::vector<torch::Tensor> hidden_states;  // L + 1 of (T, H), the embedding output first; when asked for
    // Gated routing: N sum_e f_e P_e, summed over layers; else undefined. f is the share of the tokens (sentences) that
    // expert e got, P its gate's mean probability: both over all processes, so that their losses have to be added up.
    torch::Tensor balance_loss;
    std::vector<torch::Tensor> expert_load;  // a layer: (N) int64, tokens (sentences) sent to each expert
};

ForwardResult forward(const Model& model, const Batch& batch, const ForwardOptions& options = {});

}  // namespace moebert
