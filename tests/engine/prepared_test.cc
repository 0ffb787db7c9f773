#include "engine/prepared.h"

#include <cstring>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "engine/engine.h"
#include "engine/support.h"
#include "io/file.h"
#include "io/support.h"

namespace moebert::engine {
namespace {

namespace fs = std::filesystem;

// A fixture's model as a checkpoint directory.
fs::path save(const Case& c, const fs::path& directory) {
    const auto checkpoint = load(c);
    save_checkpoint(directory, checkpoint.config, checkpoint.tensors);
    return directory;
}

class Prepared : public test::InFolder, public testing::WithParamInterface<Case> {
protected:
    fs::path checkpoint = save(GetParam(), folder / "model"), prepared = folder / "prepared";
    std::vector<Feature> features = random_sentences(9);

    std::vector<float> logits(const fs::path& directory, const std::string& precision) const {
        return Engine(load_weights(directory, precision), {.threads = 1}).run(features).logits;
    }
};
INSTANTIATE_TEST_SUITE_P(Engine, Prepared,
                         testing::Values(Case{"cls3", -1}, Case{"cls3", 0}, Case{"reg", 2}, Case{"qa", 3}));

TEST_P(Prepared, GivesTheLogitsOfTheCheckpointBitForBit) {
    for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
        if (!is_supported(precision)) continue;
        prepare(checkpoint, precision, prepared);
        EXPECT_TRUE(is_prepared(prepared));
        EXPECT_FALSE(is_prepared(checkpoint));
        EXPECT_EQ(logits(prepared, ""), logits(checkpoint, to_string(precision)));
        EXPECT_EQ(logits(prepared, "auto"), logits(prepared, to_string(precision)));
        EXPECT_THROW(load_weights(prepared, precision == Precision::fp32 ? "int8" : "fp32"), UsageError);
        EXPECT_EQ(prepared_metadata(prepared).at("precision"), to_string(precision));
    }
}

TEST_P(Prepared, GoesBackToACheckpoint) {
    prepare(checkpoint, Precision::fp32, prepared);
    const auto restored = folder / "restored";
    restore(prepared, restored);
    EXPECT_EQ(checkpoint_digest(load_checkpoint(restored)), checkpoint_digest(load_checkpoint(checkpoint)));
    EXPECT_EQ(load_checkpoint(restored).config.label_names, load_checkpoint(checkpoint).config.label_names);
    if (!is_supported(Precision::int8)) return;
    prepare(checkpoint, Precision::int8, prepared);
    restore(prepared, restored);  // rounded twice it is the same
    EXPECT_EQ(logits(restored, "int8"), logits(prepared, "int8"));
}

TEST_P(Prepared, IsNotPutNextToACheckpoint) {
    save(GetParam(), prepared);
    EXPECT_ERROR(prepare(checkpoint, Precision::fp32, prepared), "has model.safetensors, which would be read instead");
    EXPECT_FALSE(fs::exists(prepared / "prepared.safetensors"));
}

// Refused files. Each is made from a good one by a change to its tensors or its metadata.
class BrokenPrepared : public test::InFolder {
protected:
    fs::path prepared = folder / "prepared";
    Metadata metadata;
    TensorMap tensors;

    void SetUp() override {
        prepare(save({"cls3", 0}, folder / "model"), Precision::fp32, prepared);
        tensors = read_safetensors(prepared / "prepared.safetensors", &metadata);
    }
    void rewrite() { write_safetensors(prepared / "prepared.safetensors", tensors, metadata); }
};

TEST_F(BrokenPrepared, OfAnotherVersionProcessorOrPrecisionIsRefused) {
    const auto good = metadata;
    for (const char* key : {"format", "version", "target", "precision", "digest", "config"}) {
        metadata = good;
        metadata[key] = "other";
        rewrite();
        EXPECT_ERROR(load_prepared(prepared), key);
        metadata.erase(key);
        rewrite();
        EXPECT_ERROR(load_prepared(prepared), key);
    }
}

TEST_F(BrokenPrepared, WithAChangedByteIsRefused) {
    auto text = read_text(prepared / "prepared.safetensors");
    text[text.size() - 70] = static_cast<char>(text[text.size() - 70] ^ 1);
    write_file_atomically(prepared / "prepared.safetensors", std::string_view(text));
    EXPECT_ERROR(load_prepared(prepared), "digest");
}

TEST_F(BrokenPrepared, OfAnotherConfigurationIsRefused) {
    const auto good = read_model_config(prepared / "config.json");
    const auto refuse = [&](const std::function<void(ModelConfig&)>& change) {
        auto config = good;
        change(config);
        save_config(prepared, config);
        EXPECT_ERROR(load_prepared(prepared), "config.json: is not the one that prepared.safetensors was made with");
    };
    refuse([](auto& c) { c.moe->expert_size = 20; });
    refuse([](auto& c) { c.num_hidden_layers -= 1; });
    refuse([](auto& c) { c.hidden_act = "relu"; });
    refuse([](auto& c) { c.label_names.push_back("more"); });
    auto renamed = good;
    renamed.label_names.front() = "another";
    save_config(prepared, renamed);
    EXPECT_EQ(load_prepared(prepared).config.label_names.front(), "another");
}

// Files prepared before mixtures of experts had a type of their own are good as they are.
TEST_F(BrokenPrepared, BelongsToItsConfigurationWhateverTheTypeIsCalled) {
    auto config = read_model_config(prepared / "config.json");
    ASSERT_TRUE(config.moe);
    config.label_names.assign(config.label_names.size(), "");
    auto json = to_json(config);
    json["model_type"] = "bert";
    const auto text = json_text(json);
    EXPECT_EQ(metadata.at("config"), digest(std::as_bytes(std::span(text))));
}

TEST_F(BrokenPrepared, NextToNewerWeightsIsNotLookedAt) {
    save_checkpoint(prepared, load({"cls3", 0}).config, load({"cls3", 0}).tensors);
    EXPECT_FALSE(is_prepared(prepared));
}

}  // namespace
}  // namespace moebert::engine
