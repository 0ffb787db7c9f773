#include "io/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/weight_files.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config.json";

bool starts_with_any(const std::string& name, std::initializer_list<const char*> prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](const char* prefix) { return name.starts_with(prefix); });
}

void replace_ending(std::string& name, std::string_view from, std::string_view to) {
    if (name.ends_with(from)) name.replace(name.size() - from.size(), from.size(), to);
}

// What training tools put before the names of the model they wrap: DataParallel, torch.compile, Lightning and wrappers
// with a member `model`, PEFT. They may be nested.
void remove_wrappers(std::string& name) {
    constexpr const char* kWrappers[] = {"module.", "_orig_mod.", "base_model.model.", "model."};
    for (bool found = true; found;) {
        found = false;
        for (const std::string_view wrapper : kWrappers)
            if (name.starts_with(wrapper)) {
                name.erase(0, wrapper.size());
                found = true;
            }
    }
}

// The name that Hugging Face's BERT with a head has today: files of TensorFlow's time say gamma and beta, files of the
// bare model leave out `bert.`.
std::string canonical_name(std::string name) {
    remove_wrappers(name);
    replace_ending(name, "LayerNorm.gamma", "LayerNorm.weight");
    replace_ending(name, "LayerNorm.beta", "LayerNorm.bias");
    return starts_with_any(name, {"embeddings.", "encoder.", "pooler."}) ? "bert." + name : name;
}

// "bert-base-uncased", "google/bert_uncased": as a repository on the Hub is called.
bool is_hub_name(const std::string& path) {
    const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
    const auto slash = path.find('/');
    const auto name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    return !path.empty() && slash != 0 && !path.starts_with('.') && !name.empty() &&
           std::ranges::all_of(path.substr(0, slash), is_plain) && std::ranges::all_of(name, is_plain);
}

bool is_float(DType dtype) {
    return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

// Floats of any width do for weights; hash tables are what they are.
bool has_type(const Tensor& tensor, const TensorSpec& spec) {
    return spec.dtype == DType::f32 ? is_float(tensor.dtype) : tensor.dtype == spec.dtype;
}

bool is_output_layer(const std::string& name) { return starts_with_any(name, {"classifier.", "qa_outputs."}); }

// Buffers of old files that hold no weights.
bool is_buffer(const std::string& name) {
    return name == "bert.embeddings.position_ids" || name == "bert.embeddings.token_type_ids";
}

// Fits the tensors of the files to the table of the model.
class Matcher {
public:
    Matcher(const Weights& weights, const ModelConfig& config, bool adapted)
        : file_(weights.file), config_(config), adapted_(adapted) {
        for (const auto& [name, tensor] : weights.tensors) {
            if (!found_.emplace(canonical_name(name), tensor).second)
                refuse(name, "there twice, under an old and a new name");
        }
    }

    void match(Checkpoint& checkpoint) {
        for (const TensorSpec& spec : tensor_table(config_)) match(spec, checkpoint);
        for (const std::string& name : checkpoint.missing) check_layer_is_missing(name, checkpoint);
        for (const auto& [name, tensor] : found_) {
            check_may_be_unused(name);
            checkpoint.unused.push_back(name);
        }
    }

private:
    [[noreturn]] void refuse(const std::string& name, const std::string& problem) const {
        throw InputError(file_, name, problem);
    }

    void match(const TensorSpec& spec, Checkpoint& checkpoint) {
        const auto found = found_.find(spec.name);
        if (found == found_.end() || is_for_other_labels(spec, found->second) || is_of_other_task(spec)) {
            if (!spec.head) refuse(spec.name, fmt::format("missing: expected shape {}", to_string(spec.shape)));
            checkpoint.missing.push_back(spec.name);
        } else {
            check(spec, found->second);
            const bool exact = spec.dtype != DType::f32;
            const auto tensor = exact ? found->second : convert(found->second, DType::f32);
            if (!exact) check_finite(spec, tensor);
            checkpoint.tensors.emplace(spec.name, tensor);
        }
        if (found != found_.end()) found_.erase(found);
    }

    // The head of a model for another task may have a name and shape that this one's has too.
    bool is_of_other_task(const TensorSpec& spec) const {
        return !config_.other_task.empty() && is_output_layer(spec.name);
    }

    // Of a head whose labels the caller has changed, only the number of outputs may differ.
    bool is_for_other_labels(const TensorSpec& spec, const Tensor& tensor) const {
        if (!adapted_ || !is_output_layer(spec.name) || tensor.shape.size() != spec.shape.size()) return false;
        return tensor.shape[0] != spec.shape[0] &&
               std::equal(spec.shape.begin() + 1, spec.shape.end(), tensor.shape.begin() + 1);
    }

    void check(const TensorSpec& spec, const Tensor& tensor) const {
        if (tensor.shape != spec.shape) {
            refuse(spec.name, fmt::format("expected shape {} (by config.json), found {}", to_string(spec.shape),
                                          to_string(tensor.shape)));
        }
        if (!has_type(tensor, spec)) {
            refuse(spec.name, fmt::format("expected {}, found {}", spec.dtype == DType::f32 ? "floats" : "I64",
                                          dtype_name(tensor.dtype)));
        }
        if (spec.dtype == DType::i64) check_hash_list(spec, tensor.as<std::int64_t>());
    }

    // A model with broken weights has no results. Only such floats have all bits of the exponent set.
    void check_finite(const TensorSpec& spec, const Tensor& tensor) const {
        constexpr std::uint32_t kExponent = 0x7F800000U;
        const auto values = tensor.as<float>();
        std::uint32_t any = 0;
        for (const float value : values)
            any |= (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent ? 1U : 0U;
        if (any == 0) return;
        const auto wrong = std::ranges::find_if_not(values, [](float value) { return std::isfinite(value); });
        refuse(spec.name, fmt::format("expected finite numbers, found {} at {}", *wrong, wrong - values.begin()));
    }

    void check_hash_list(const TensorSpec& spec, std::span<const std::int64_t> experts) const {
        const std::int64_t count = config_.moe->num_experts;
        const auto wrong =
            std::find_if(experts.begin(), experts.end(), [count](auto e) { return e < 0 || e >= count; });
        if (wrong == experts.end()) return;
        refuse(spec.name, fmt::format("expected experts 0 to {}, found {} for token {}", count - 1, *wrong,
                                      wrong - experts.begin()));
    }

    // A weight without its bias, or the other way round, is damage and not a model without that head.
    void check_layer_is_missing(const std::string& name, const Checkpoint& checkpoint) const {
        const std::string layer = name.substr(0, name.rfind('.'));
        for (const char* part : {".weight", ".bias"}) {
            if (checkpoint.tensors.contains(layer + part))
                refuse(name, fmt::format("missing, but {}{} is there", layer, part));
        }
    }

    // Other heads are no concern of this model; another layer or kind of layer means that config.json is not this
    // file's.
    void check_may_be_unused(const std::string& name) const {
        if (!starts_with_any(name, {"bert.encoder.", "bert.embeddings."}) || is_buffer(name)) return;
        refuse(name, fmt::format("not part of the model that config.json describes ({} layers, {})",
                                 config_.num_hidden_layers,
                                 config_.moe ? to_string(config_.moe->route_method) + " experts" : "dense"));
    }

    fs::path file_;
    const ModelConfig& config_;
    bool adapted_;
    TensorMap found_;  // what was not matched yet, by canonical name
};

void check_type(const TensorSpec& spec, const Tensor& tensor) {
    if (!has_type(tensor, spec))
        fail("can't save the model: {}: unexpected type {}", spec.name, dtype_name(tensor.dtype));
}

void check_complete(const ModelConfig& config, const TensorMap& tensors) {
    const auto table = tensor_table(config);
    for (const TensorSpec& spec : table) {
        const auto found = tensors.find(spec.name);
        if (found == tensors.end()) fail("can't save the model: tensor {} is missing", spec.name);
        if (found->second.shape != spec.shape) {
            fail("can't save the model: {}: expected shape {}, found {}", spec.name, to_string(spec.shape),
                 to_string(found->second.shape));
        }
        check_type(spec, found->second);
    }
    if (tensors.size() != table.size()) {
        fail("can't save the model: expected {} tensors, found {}", table.size(), tensors.size());
    }
}

}  // namespace

void check_model_folder(const fs::path& directory) {
    std::error_code error;
    if (fs::is_directory(directory, error)) return;
    if (fs::exists(directory, error))
        throw InputError(directory, "", "is a file; expected a model's folder, with config.json and weights");
    if (!is_hub_name(directory.string())) throw InputError(directory, "", "no such folder; expected a model's");
    throw InputError(directory, "",
                     fmt::format("no such folder, and nothing is downloaded; `huggingface-cli download {0} --local-dir "
                                 "{0}` gets the model of that name",
                                 directory.string()));
}

ModelConfig load_model_config(const fs::path& directory) {
    check_model_folder(directory);
    return read_model_config(directory / "config.json");
}

Checkpoint load_checkpoint(const fs::path& directory) { return load_checkpoint(directory, nullptr); }

Checkpoint load_checkpoint(const fs::path& directory, const std::function<void(ModelConfig&)>& adapt) {
    Checkpoint checkpoint;
    checkpoint.directory = directory;
    checkpoint.config = load_model_config(directory);
    if (adapt) adapt(checkpoint.config);
    Matcher(read_weights(directory), checkpoint.config, adapt != nullptr).match(checkpoint);
    return checkpoint;
}

Checkpoint load_finetuned(const std::filesystem::path& directory) {
    auto checkpoint = load_checkpoint(directory);
    if (const auto& task = checkpoint.config.other_task; !task.empty())
        fail("{}: is a model for another task ({}), which isn't supported; `moebert finetune` takes its encoder",
             directory.string(), task);
    if (!checkpoint.missing.empty())
        fail("{}: {} is missing: the model has no trained head; fine-tune it first (`moebert finetune`)",
             directory.string(), checkpoint.missing.front());
    return checkpoint;
}

FileGroup checkpoint_files(const fs::path& directory) { return {directory, kConfig}; }

void save_checkpoint(const fs::path& directory, const ModelConfig& config, const TensorMap& tensors,
                     const TokenizerSource& tokenizer) {
    check_complete(config, tensors);
    auto files = checkpoint_files(directory);
    write_safetensors(files.add("model.safetensors"), tensors, {{"format", "pt"}});
    if (!tokenizer.folder.empty()) add_tokenizer_files(tokenizer, directory, files);
    add_config(config, files);
    files.commit();
}

void add_config(const ModelConfig& config, FileGroup& to) {
    to.add(kConfig).write(json_text(to_json(config), 2) + "\n");
}

void save_config(const fs::path& directory, const ModelConfig& config) {
    make_folder(directory);
    save_json(directory / kConfig, to_json(config));
}

namespace {

constexpr const char* kTokenizerConfig = "tokenizer_config.json";

// tokenizer_config.json with the length; its other keys stay as they are.
std::string with_max_length(const fs::path& file, std::int64_t max_seq_length) {
    std::error_code error;
    auto config = nlohmann::json::object();
    if (fs::exists(file, error)) config = parse_json_object(read_text(file, std::size_t{1} << 28), file);
    config["model_max_length"] = max_seq_length;
    return json_text(config, 2) + "\n";
}

}  // namespace

void add_tokenizer_files(const TokenizerSource& from, const fs::path& directory, FileGroup& to) {
    std::error_code error;
    const bool is_same = fs::equivalent(from.folder, directory, error);
    for (const std::string name :
         {"vocab.txt", "tokenizer.json", "added_tokens.json", "special_tokens_map.json", kTokenizerConfig}) {
        const auto file = from.folder / name;
        if (name == kTokenizerConfig && from.max_seq_length)
            to.add(name).write(with_max_length(file, *from.max_seq_length));
        else if (!is_same && fs::exists(file, error))
            to.add(name).write(MappedFile(file).bytes());
        else if (!is_same)
            to.remove(name);  // of another tokenizer
    }
}

std::string checkpoint_digest(const Checkpoint& checkpoint) {
    Digest digest;
    for (const auto& [name, tensor] : checkpoint.tensors) {
        digest.update(fmt::format("{} {} {}\n", name, dtype_name(tensor.dtype), to_string(tensor.shape)));
        digest.update(tensor.bytes);
    }
    return digest.hex();
}

}  // namespace moebert
