#include "tasks/text_input.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace moebert {
namespace {

void check_sequence_length(const ModelConfig& config, std::int64_t max_seq_length) {
    if (max_seq_length < 3) fail_usage("max_seq_length: {} given; at least 3 are needed", max_seq_length);
    if (max_seq_length > config.max_position_embeddings)
        fail_usage("max_seq_length: {} given; the model has positions for {} (max_position_embeddings)", max_seq_length,
                   config.max_position_embeddings);
}

std::int64_t default_length(const ModelConfig& config) {
    const std::int64_t usual = config.problem_type == ProblemType::question_answering ? 384 : 128;
    return std::min(usual, config.max_position_embeddings);
}

}  // namespace

TextInput load_text_input(const std::filesystem::path& directory, const ModelConfig& config,
                          std::optional<std::int64_t> max_seq_length, std::int64_t threads) {
    const auto length = max_seq_length.value_or(default_length(config));
    check_sequence_length(config, length);
    auto tokenizer = Tokenizer::load(directory);
    if (static_cast<std::int64_t>(tokenizer.vocab_size()) > config.vocab_size)
        throw InputError(directory, "vocab_size",
                         fmt::format("the tokenizer has {} tokens; the model has embeddings of {}",
                                     tokenizer.vocab_size(), config.vocab_size));
    return {std::move(tokenizer), length, config.type_vocab_size,
            static_cast<unsigned>(std::max<std::int64_t>(0, threads))};
}

ModelConfig read_text_config(const std::filesystem::path& directory) {
    const auto file = directory / "config.json";
    if (std::error_code ignored; std::filesystem::exists(file, ignored)) return read_model_config(file);
    ModelConfig config;
    config.vocab_size = static_cast<std::int64_t>(Tokenizer::load(directory).vocab_size());
    config.max_position_embeddings = std::numeric_limits<std::int64_t>::max();
    return config;
}

std::vector<Feature> make_features(const Dataset& dataset, const TextInput& input) {
    const auto is_pair = [](const Example& example) { return example.sentence2.has_value(); };
    if (input.type_vocab_size < 2 && std::ranges::any_of(dataset.examples, is_pair))
        throw InputError(dataset.file, "sentence2",
                         "pairs of sentences; the model takes single ones only (type_vocab_size is 1)");
    return make_features(dataset, input.tokenizer, static_cast<std::size_t>(input.max_seq_length), input.threads);
}

}  // namespace moebert
