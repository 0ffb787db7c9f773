// Small models for fuzzers of what reads or uses one.
#pragma once

#include "core/random.h"
#include "fuzz.h"
#include "io/checkpoint.h"

namespace moebert::fuzz {

// A checkpoint of random weights below the fuzzer's folder; `head` is the architecture's end.
inline std::filesystem::path small_model(const std::string& name, const std::string& head) {
    const auto config = parse_model_config(
        R"({"model_type": "bert", "architectures": ["BertFor)" + head +
            R"("], "vocab_size": 12, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 32, "max_position_embeddings": 24, "type_vocab_size": 2})",
        "config.json");
    RandomEngine engine(1);
    TensorMap tensors;
    for (const auto& spec : tensor_table(config)) {
        std::vector<float> values(static_cast<std::size_t>(element_count(spec.shape)));
        for (auto& value : values) value = static_cast<float>(uniform_real(engine) - 0.5);
        tensors[spec.name] = Tensor::from<float>(spec.shape, values);
    }
    const auto directory = folder() / name;
    save_checkpoint(directory, config, tensors);
    put(name + "/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n##a\n##b\n,\n.\n");
    return directory;
}

}  // namespace moebert::fuzz
