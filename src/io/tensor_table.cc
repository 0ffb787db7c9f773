#include <fmt/format.h>

#include "io/checkpoint.h"

namespace moebert {
namespace {

class Table {
public:
    explicit Table(const ModelConfig& config) : config_(config) {}

    std::vector<TensorSpec> build() {
        embeddings();
        for (std::int64_t k = 0; k < config_.num_hidden_layers; ++k) layer(fmt::format("bert.encoder.layer.{}", k));
        heads();
        return std::move(specs_);
    }

private:
    void add(const std::string& name, Shape shape, DType dtype = DType::f32) {
        specs_.push_back({name, std::move(shape), dtype, in_head_});
    }
    void linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) {
        add(name + ".weight", {outputs, inputs});
        add(name + ".bias", {outputs});
    }
    void layer_norm(const std::string& name) {
        add(name + ".weight", {hidden_});
        add(name + ".bias", {hidden_});
    }

    void embeddings() {
        add("bert.embeddings.word_embeddings.weight", {config_.vocab_size, hidden_});
        add("bert.embeddings.position_embeddings.weight", {config_.max_position_embeddings, hidden_});
        add("bert.embeddings.token_type_embeddings.weight", {config_.type_vocab_size, hidden_});
        layer_norm("bert.embeddings.LayerNorm");
    }

    void layer(const std::string& name) {
        for (const char* part : {"query", "key", "value"}) {
            linear(fmt::format("{}.attention.self.{}", name, part), hidden_, hidden_);
        }
        linear(name + ".attention.output.dense", hidden_, hidden_);
        layer_norm(name + ".attention.output.LayerNorm");
        if (config_.moe) {
            experts(name + ".experts", *config_.moe);
        } else {
            feed_forward(name);
        }
    }

    void feed_forward(const std::string& name) {
        linear(name + ".intermediate.dense", config_.intermediate_size, hidden_);
        linear(name + ".output.dense", hidden_, config_.intermediate_size);
        layer_norm(name + ".output.LayerNorm");
    }

    void experts(const std::string& name, const MoeConfig& moe) {
        for (std::int64_t e = 0; e < moe.num_experts; ++e) {
            const std::string expert = fmt::format("{}.experts.{}", name, e);
            linear(expert + ".fc1", moe.expert_size, hidden_);
            linear(expert + ".fc2", hidden_, moe.expert_size);
            layer_norm(expert + ".LayerNorm");
        }
        if (is_gated(moe.route_method)) {
            add(name + ".gate.weight", {moe.num_experts, hidden_});
        } else {
            add(name + ".hash_list", {config_.vocab_size}, DType::i64);
        }
    }

    void heads() {
        in_head_ = true;
        if (config_.problem_type == ProblemType::question_answering) {
            linear("qa_outputs", 2, hidden_);  // start and end
            return;
        }
        linear("bert.pooler.dense", hidden_, hidden_);
        linear("classifier", config_.num_labels(), hidden_);
    }

    const ModelConfig& config_;
    const std::int64_t hidden_ = config_.hidden_size;
    std::vector<TensorSpec> specs_;
    bool in_head_ = false;
};

}  // namespace

std::vector<TensorSpec> tensor_table(const ModelConfig& config) { return Table(config).build(); }

}  // namespace moebert
