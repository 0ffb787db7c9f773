#include "engine/prepared.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "io/file.h"

namespace moebert::engine {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFile = "prepared.safetensors";
constexpr const char* kCheckpoint = "model.safetensors";
constexpr const char* kVersion = "4";
constexpr std::size_t kAlignment = 64;

// A tensor of the file: the bytes, and zeros up to the next boundary.
Tensor padded(std::span<const std::byte> bytes) {
    const auto size = (bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
    auto own = std::make_shared<std::vector<std::byte>>(size);
    std::ranges::copy(bytes, own->begin());
    return {DType::u8, {static_cast<std::int64_t>(size)}, *own, own};
}

std::string digest_of(const TensorMap& tensors) {
    Digest digest;
    for (const auto& [name, tensor] : tensors) {
        digest.update(name);
        digest.update(tensor.bytes);
    }
    return digest.hex();
}

// Of all that the weights, and what is computed with them, were made for. Labels may get other names.
std::string digest_of(ModelConfig config) {
    config.label_names.assign(config.label_names.size(), "");
    config.extra = nlohmann::json::object();
    auto json = to_json(config);
    json["model_type"] = "bert";  // as early mixtures of experts were called, which are still prepared
    Digest digest;
    digest.update(json_text(json));
    return digest.hex();
}

// Packs a checkpoint, and keeps all that it gave.
class Recorder : public CheckpointSource {
public:
    using CheckpointSource::CheckpointSource;

    LinearWeights linear(const std::vector<std::string>& names, std::int64_t inner, std::int64_t columns,
                         Precision precision) override {
        auto weights = CheckpointSource::linear(names, inner, columns, precision);
        keep(names.front() + ".packed", weights.packed);
        keep(names.front() + ".bias", weights.bias);
        if (precision == Precision::int8) {
            keep(names.front() + ".scale", weights.scale);
            keep(names.front() + ".sum", weights.sum);
        }
        return weights;
    }
    Values<float> floats(const std::string& name, std::int64_t count) override {
        auto values = CheckpointSource::floats(name, count);
        keep(name, values.span);
        return values;
    }
    Values<std::int32_t> table(const std::string& name, std::int64_t count) override {
        auto values = CheckpointSource::table(name, count);
        keep(name, values.span);
        return values;
    }

    TensorMap tensors;

private:
    template <class T>
    void keep(const std::string& name, std::span<const T> values) {
        tensors[name] = padded(std::as_bytes(values));
    }
};

// Views of a mapped file. What is there must have the sizes that the configuration asks for.
class PreparedSource : public WeightSource {
public:
    PreparedSource(const fs::path& directory, const ModelConfig& config)
        : file_(directory / kFile), tensors_(read_safetensors(file_, &metadata_)) {
        expect("format", "moebert prepared");
        expect("version", kVersion);
        expect("target", product_target());
        expect("digest", digest_of(tensors_));
        if (text("config") != digest_of(config))
            throw InputError(
                directory / "config.json", "",
                fmt::format("is not the one that {} was made with; make it again with `moebert convert`", kFile));
    }

    Precision precision() const {
        for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8})
            if (text("precision") == to_string(precision) && is_supported(precision)) return precision;
        throw InputError(file_.string(), "precision", "'" + text("precision") + "' is none that this processor has");
    }

    LinearWeights linear(const std::vector<std::string>& names, std::int64_t inner, std::int64_t columns,
                         Precision precision) override {
        const auto& name = names.front();
        const auto& packed = tensor(name + ".packed", packed_size(inner, columns, precision));
        LinearWeights weights{inner,
                              columns,
                              precision,
                              packed.bytes.first(packed_size(inner, columns, precision)),
                              values<float>(name + ".bias", columns),
                              {},
                              {},
                              packed.owner};
        if (precision == Precision::int8) {
            weights.scale = values<float>(name + ".scale", columns);
            weights.sum = values<std::int32_t>(name + ".sum", columns);
        }
        return weights;
    }
    Values<float> floats(const std::string& name, std::int64_t count) override {
        return {values<float>(name, count), tensors_.at(name).owner};
    }
    Values<std::int32_t> table(const std::string& name, std::int64_t count) override {
        return {values<std::int32_t>(name, count), tensors_.at(name).owner};
    }

private:
    std::string text(const std::string& key) const {
        const auto found = metadata_.find(key);
        return found == metadata_.end() ? "" : found->second;
    }

    void expect(const std::string& key, const std::string& value) const {
        if (text(key) == value) return;
        throw InputError(
            file_.string(), key,
            fmt::format("'{}', where {} is expected; make it again with `moebert convert`", text(key), value));
    }

    const Tensor& tensor(const std::string& name, std::size_t bytes) const {
        const auto found = tensors_.find(name);
        const auto size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
        if (found == tensors_.end()) throw InputError(file_.string(), name, "is missing");
        if (found->second.dtype != DType::u8 || found->second.bytes.size() != size)
            throw InputError(file_.string(), name,
                             fmt::format("{} bytes, where config.json asks for {}", found->second.bytes.size(), size));
        if (reinterpret_cast<std::uintptr_t>(found->second.bytes.data()) % kAlignment != 0)
            throw InputError(file_.string(), name, "doesn't begin on a 64-byte boundary");
        return found->second;
    }

    template <class T>
    std::span<const T> values(const std::string& name, std::int64_t count) const {
        const auto& found = tensor(name, static_cast<std::size_t>(count) * sizeof(T));
        return {reinterpret_cast<const T*>(found.bytes.data()), static_cast<std::size_t>(count)};
    }

    fs::path file_;
    Metadata metadata_;
    TensorMap tensors_;
};

// Unpacks all that it gives, under the names of checkpoints.
class Restorer : public PreparedSource {
public:
    using PreparedSource::PreparedSource;

    LinearWeights linear(const std::vector<std::string>& names, std::int64_t inner, std::int64_t columns,
                         Precision precision) override {
        auto weights = PreparedSource::linear(names, inner, columns, precision);
        const auto weight = unpack(weights);
        const auto parts = static_cast<std::int64_t>(names.size()), each = columns / parts;
        for (std::int64_t i = 0; i < parts; ++i) {
            const auto& name = names[static_cast<std::size_t>(i)];
            const auto of_part = [&](std::span<const float> all, std::int64_t size) {
                return all.subspan(static_cast<std::size_t>(i * size), static_cast<std::size_t>(size));
            };
            tensors[name + ".weight"] = Tensor::from<float>({each, inner}, of_part(weight, each * inner));
            tensors[name + ".bias"] = Tensor::from<float>({each}, of_part(weights.bias, each));
        }
        return weights;
    }
    Values<float> floats(const std::string& name, std::int64_t count) override {
        auto values = PreparedSource::floats(name, count);
        tensors[name] = Tensor::from<float>({count}, values.span);  // the shape is found by restore()
        return values;
    }
    Values<std::int32_t> table(const std::string& name, std::int64_t count) override {
        auto values = PreparedSource::table(name, count);
        const std::vector<std::int64_t> wide(values.span.begin(), values.span.end());
        tensors[name] = Tensor::from<std::int64_t>({count}, wide);
        return values;
    }

    TensorMap tensors;
};

}  // namespace

bool is_prepared(const fs::path& directory) {
    std::error_code ignored;  // what is wrong with the folder shows when it is read
    return fs::exists(directory / kFile, ignored) && !fs::exists(directory / kCheckpoint, ignored);
}

Metadata prepared_metadata(const fs::path& directory) {
    Metadata metadata;
    read_safetensors(directory / kFile, &metadata);
    return metadata;
}

void prepare(const fs::path& from, Precision precision, const fs::path& to) {
    check_supported(precision);
    if (fs::exists(to / kCheckpoint))
        fail("{}: has {}, which would be read instead of what is prepared; give another folder", to.string(),
             kCheckpoint);
    const auto checkpoint = load_finetuned(from);
    const OneThread one;
    Recorder recorder(checkpoint);
    assemble(checkpoint.config, precision, recorder);
    auto files = checkpoint_files(to);
    add_config(checkpoint.config, files);
    add_tokenizer_files({from}, to, files);
    write_safetensors(files.add(kFile), recorder.tensors,
                      {{"format", "moebert prepared"},
                       {"version", kVersion},
                       {"precision", to_string(precision)},
                       {"target", product_target()},
                       {"config", digest_of(checkpoint.config)},
                       {"digest", digest_of(recorder.tensors)}});
    files.commit();
}

void restore(const fs::path& from, const fs::path& to) {
    const auto config = read_model_config(from / "config.json");
    const OneThread one;
    Restorer restorer(from, config);
    assemble(config, restorer.precision(), restorer);
    for (const auto& spec : tensor_table(config)) {
        const auto found = restorer.tensors.find(spec.name);
        if (found != restorer.tensors.end()) found->second.shape = spec.shape;
    }
    save_checkpoint(to, config, restorer.tensors, {from});
}

Weights load_prepared(const fs::path& directory) {
    const auto config = read_model_config(directory / "config.json");
    const OneThread one;
    PreparedSource source(directory, config);
    return assemble(config, source.precision(), source);
}

Weights load_weights(const fs::path& directory, const std::string& precision) {
    if (is_prepared(directory)) {
        auto weights = load_prepared(directory);
        if (!precision.empty() && precision != "auto" && parse_precision(precision) != weights.precision)
            fail_usage("precision {}: {} is prepared for {}", precision, directory.string(),
                       to_string(weights.precision));
        return weights;
    }
    const auto wanted = precision.empty() ? Precision::fp32 : parse_precision(precision);
    check_supported(wanted);
    const OneThread one;
    return pack_weights(load_finetuned(directory), wanted);
}

}  // namespace moebert::engine
