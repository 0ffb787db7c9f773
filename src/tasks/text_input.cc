#include "tasks/text_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "io/checkpoint.h"

namespace moebert {
namespace {

void check_sequence_length(const ModelConfig& config, std::int64_t max_seq_length) {
    if (max_seq_length < 3) fail_usage("max_seq_length: {} given; at least 3 are needed", max_seq_length);
    if (max_seq_length > config.max_position_embeddings)
        fail_usage("max_seq_length: {} given; the model has positions for {} (max_position_embeddings)", max_seq_length,
                   config.max_position_embeddings);
}

constexpr auto kAnyLength = std::numeric_limits<std::int64_t>::max();

std::int64_t default_length(const ModelConfig& config, const Tokenizer& tokenizer) {
    if (const auto kept = tokenizer.settings().model_max_length) return std::min(*kept, config.max_position_embeddings);
    const bool cuts = config.problem_type != ProblemType::question_answering;
    if (cuts && config.max_position_embeddings != kAnyLength) return config.max_position_embeddings;
    return usual_length(config);
}

void warn_of_unused_tokens(const Tokenizer& tokenizer, const ModelConfig& config,
                           const std::filesystem::path& directory, const Sink& sink) {
    const auto tokens = static_cast<std::int64_t>(tokenizer.vocab_size());
    if (tokens > config.vocab_size)
        sink.warning(
            "{}: the tokenizer has {} tokens, the model embeddings of {}; text with one of the others is an error",
            directory.string(), tokens, config.vocab_size);
}

}  // namespace

std::int64_t usual_length(const ModelConfig& config) {
    const std::int64_t usual = config.problem_type == ProblemType::question_answering ? 384 : 128;
    return std::min(usual, config.max_position_embeddings);
}

TextInput load_text_input(const std::filesystem::path& directory, const ModelConfig& config,
                          std::optional<std::int64_t> max_seq_length, std::int64_t threads, const Sink& sink) {
    std::vector<std::string> warnings;
    auto tokenizer = Tokenizer::load(directory, &warnings);
    for (const auto& warning : config.warnings) sink.warning("{}", warning);
    for (const auto& warning : warnings) sink.warning("{}", warning);
    warn_of_unused_tokens(tokenizer, config, directory, sink);
    const auto length = max_seq_length.value_or(default_length(config, tokenizer));
    check_sequence_length(config, length);
    return {std::move(tokenizer), length, config.type_vocab_size,
            static_cast<unsigned>(std::max<std::int64_t>(0, threads)), config.vocab_size};
}

ModelConfig read_text_config(const std::filesystem::path& directory) {
    check_model_folder(directory);
    const auto file = directory / "config.json";
    if (std::error_code ignored; std::filesystem::exists(file, ignored)) return read_model_config(file);
    ModelConfig config;
    config.vocab_size = static_cast<std::int64_t>(Tokenizer::load(directory).vocab_size());
    config.max_position_embeddings = kAnyLength;
    return config;
}

std::vector<Feature> make_features(const Dataset& dataset, const TextInput& input) {
    const auto is_pair = [](const Example& example) { return example.sentence2.has_value(); };
    if (std::ranges::any_of(dataset.examples, is_pair)) check_pairs(input, dataset.file);
    auto features =
        make_features(dataset, input.tokenizer, static_cast<std::size_t>(input.max_seq_length), input.threads);
    check_tokens(features, input, dataset.file);
    return features;
}

void check_pairs(const TextInput& input, const std::filesystem::path& file) {
    if (input.tokenizer.pair_types() > input.type_vocab_size)
        throw InputError(
            file, "",
            "has pairs of texts; the model takes single ones only (type_vocab_size is 1, and the tokenizer "
            "gives the second text the type 1)");
}

void check_tokens(std::span<const Feature> features, const TextInput& input, const std::filesystem::path& file) {
    const auto empty = std::ranges::find_if(features, [](const Feature& f) { return f.input_ids.empty(); });
    if (empty != features.end())  // the tokenizer adds none
        throw InputError(file, fmt::format("text {}", empty - features.begin() + 1), "has no tokens");
    if (static_cast<std::int64_t>(input.tokenizer.vocab_size()) <= input.vocab_size) return;
    for (std::size_t i = 0; i < features.size(); ++i)
        for (const auto id : features[i].input_ids)
            if (id >= input.vocab_size)
                throw InputError(file, fmt::format("text {}", i + 1),
                                 fmt::format("has the token \"{}\" of id {}; the model has embeddings of {}",
                                             input.tokenizer.token(id), id, input.vocab_size));
}

std::int64_t count_cut(std::span<const Feature> features) { return std::ranges::count_if(features, &Feature::is_cut); }

void warn_of_cut(std::span<const Feature> features, const TextInput& input, const std::filesystem::path& file,
                 const Sink& sink) {
    if (const auto cut = count_cut(features); cut > 0)
        sink.warning("{}: {} of {} texts are longer than max_seq_length {} and were cut to it", file.string(), cut,
                     features.size(), input.max_seq_length);
}

}  // namespace moebert
