#include "io/checkpoint.h"

#include <nlohmann/json.hpp>

#include "io/file.h"
#include "io/safetensors.h"
#include "io/support.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path cls3 = test::fixtures / "cls3/dense";
const std::string pooler_bias = "bert.pooler.dense.bias";

ModelConfig moe_config(const std::string& kind, const std::string& method) {
    ModelConfig config = read_model_config(test::fixtures / kind / "dense/config.json");
    config.moe = MoeConfig{4, 16, 8, parse_route_method(method), 0.0};
    return config;
}

fs::path moe_file(const std::string& kind, const std::string& method) {
    return test::fixtures / kind / fmt::format("moe_{}.safetensors", method);
}

bool same(const TensorMap& a, const TensorMap& b) {
    const auto equal = [](const auto& x, const auto& y) {
        return x.first == y.first && test::same(x.second, y.second);
    };
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equal);
}

// A folder with cls3's config.json and weights, for a test to spoil.
class CheckpointFolder : public test::InFolder {
protected:
    CheckpointFolder() : tensors(read_safetensors(cls3 / "model.safetensors")) {
        put("config.json", test::slurp(cls3 / "config.json"));
    }

    Checkpoint load() {
        write_safetensors(folder / "model.safetensors", tensors);
        return load_checkpoint(folder);
    }

    void set(const std::string& key, const json& value) {
        json config = json::parse(test::slurp(folder / "config.json"));
        config[key] = value;
        put("config.json", config.dump());
    }

    void rename(const std::string& from, const std::string& to) {
        auto node = tensors.extract(from);
        node.key() = to;
        tensors.insert(std::move(node));
    }

    TensorMap tensors;
};

TEST_F(CheckpointFolder, HoldsTheSameWeightsInEitherFormat) {
    put("pytorch_model.bin", test::slurp(cls3 / "pytorch_model.bin"));
    const Checkpoint from_torch = load_checkpoint(folder);
    const Checkpoint from_safetensors = load_checkpoint(cls3);
    EXPECT_EQ(from_torch.unused, (std::vector<std::string>{"bert.embeddings.position_ids"}));
    EXPECT_TRUE(same(from_torch.tensors, from_safetensors.tensors));
    EXPECT_EQ(checkpoint_digest(from_torch), checkpoint_digest(from_safetensors));
}

TEST_F(CheckpointFolder, OfEveryKindAndMethodHasExactlyTheTablesTensors) {
    for (const char* kind : {"cls3", "reg", "qa"}) {
        for (const char* method : {"hash-random", "hash-balance", "gate-token", "gate-sentence"}) {
            const TensorMap found = read_safetensors(moe_file(kind, method));
            const auto table = tensor_table(moe_config(kind, method));
            EXPECT_EQ(table.size(), found.size()) << kind << " " << method;
            for (const TensorSpec& spec : table) {
                ASSERT_TRUE(found.contains(spec.name)) << spec.name;
                EXPECT_EQ(found.at(spec.name).shape, spec.shape) << spec.name;
                EXPECT_EQ(found.at(spec.name).dtype, spec.dtype) << spec.name;
            }
        }
    }
}

TEST_F(CheckpointFolder, IsLoadedAsItWasSaved) {
    for (const char* method : {"hash-random", "gate-sentence"}) {
        const ModelConfig config = moe_config("qa", method);
        const TensorMap original = read_safetensors(moe_file("qa", method));
        save_checkpoint(folder / "deep" / method, config, original);
        const Checkpoint loaded = load_checkpoint(folder / "deep" / method);
        EXPECT_TRUE(same(loaded.tensors, original));
        EXPECT_EQ(to_json(loaded.config), to_json(config));
        EXPECT_TRUE(loaded.missing.empty());
        EXPECT_TRUE(loaded.unused.empty());
    }
}

TEST_F(CheckpointFolder, CanBeSavedOverItself) {
    save_checkpoint(folder / "c", load().config, load().tensors);
    const Checkpoint loaded = load_checkpoint(folder / "c");
    save_checkpoint(folder / "c", loaded.config, loaded.tensors);
    EXPECT_TRUE(same(loaded.tensors, load_checkpoint(folder / "c").tensors));
}

TEST_F(CheckpointFolder, IsSavedWithTheMetadataThatHuggingFaceAsksFor) {
    save_checkpoint(folder / "c", load().config, load().tensors);
    Metadata metadata;
    read_safetensors(folder / "c/model.safetensors", &metadata);
    EXPECT_EQ(metadata, (Metadata{{"format", "pt"}}));
}

TEST_F(CheckpointFolder, IsNotSavedWithOtherTensorsThanTheTables) {
    const Checkpoint checkpoint = load();
    TensorMap changed = checkpoint.tensors;
    changed.erase(pooler_bias);
    EXPECT_ERROR(save_checkpoint(folder / "c", checkpoint.config, changed), "tensor bert.pooler.dense.bias is missing");
    changed[pooler_bias] = test::tensor<float>({1}, {0});
    EXPECT_ERROR(save_checkpoint(folder / "c", checkpoint.config, changed), "expected shape [32], found [1]");
    changed[pooler_bias] = checkpoint.tensors.at(pooler_bias);
    changed["extra"] = changed[pooler_bias];
    EXPECT_ERROR(save_checkpoint(folder / "c", checkpoint.config, changed), "expected 57 tensors, found 58");
    EXPECT_FALSE(fs::exists(folder / "c"));
}

TEST_F(CheckpointFolder, MayHaveNamesWithoutBert) {
    const TensorMap original = tensors;
    for (const auto& [name, tensor] : original) {
        if (name.starts_with("bert.")) rename(name, name.substr(5));
    }
    EXPECT_TRUE(same(load().tensors, original));
}

TEST_F(CheckpointFolder, MayHaveTheNamesOfTensorFlowsTime) {
    const TensorMap original = tensors;
    for (const auto& [name, tensor] : original) {
        if (name.ends_with("LayerNorm.weight")) rename(name, name.substr(0, name.size() - 6) + "gamma");
        if (name.ends_with("LayerNorm.bias")) rename(name, name.substr(0, name.size() - 4) + "beta");
    }
    EXPECT_TRUE(same(load().tensors, original));
}

TEST_F(CheckpointFolder, WithATensorUnderTwoNamesIsRefused) {
    tensors["pooler.dense.bias"] = tensors.at(pooler_bias);
    EXPECT_ERROR(load(), "there twice, under an old and a new name");
}

TEST_F(CheckpointFolder, MayHoldHalfPrecision) {
    const Tensor original = tensors.at("classifier.weight");
    tensors["classifier.weight"] = convert(original, DType::bf16);
    const Tensor found = load().tensors.at("classifier.weight");
    EXPECT_EQ(found.dtype, DType::f32);
    EXPECT_TRUE(test::same(found, convert(convert(original, DType::bf16), DType::f32)));
}

TEST_F(CheckpointFolder, WithoutAHeadSaysWhatIsToBeInitialised) {
    for (const char* name :
         {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight", "bert.pooler.dense.bias"}) {
        tensors.erase(name);
    }
    const Checkpoint checkpoint = load();
    EXPECT_EQ(checkpoint.missing, (std::vector<std::string>{"bert.pooler.dense.weight", "bert.pooler.dense.bias",
                                                            "classifier.weight", "classifier.bias"}));
    EXPECT_EQ(checkpoint.tensors.size(), 53u);
}

TEST_F(CheckpointFolder, WithHalfAHeadIsRefused) {
    tensors.erase("classifier.bias");
    EXPECT_ERROR(load(), "model.safetensors: classifier.bias: missing, but classifier.weight is there");
}

TEST_F(CheckpointFolder, MayHaveOtherHeadsWhichAreNamed) {
    tensors["cls.predictions.bias"] = test::tensor<float>({1}, {0});
    EXPECT_EQ(load().unused, (std::vector<std::string>{"cls.predictions.bias"}));
}

TEST_F(CheckpointFolder, WithoutATensorOfTheEncoderIsRefused) {
    tensors.erase("bert.encoder.layer.1.output.dense.weight");
    EXPECT_ERROR(load(),
                 "model.safetensors: bert.encoder.layer.1.output.dense.weight: missing: expected shape [32, 64]");
}

TEST_F(CheckpointFolder, WithAnotherVocabularyThanItsConfigIsRefused) {
    set("vocab_size", 98);
    EXPECT_ERROR(load(),
                 "bert.embeddings.word_embeddings.weight: expected shape [98, 32] (by config.json), found [97, 32]");
}

TEST_F(CheckpointFolder, WithMoreLayersThanItsConfigIsRefused) {
    set("num_hidden_layers", 2);
    EXPECT_ERROR(load(),
                 "bert.encoder.layer.2.attention.output.LayerNorm.bias: not part of the model that config.json");
}

TEST_F(CheckpointFolder, OfADenseModelWithExpertsInItsConfigIsRefused) {
    set("moebert", {{"num_experts", 4}, {"expert_size", 16}, {"shared_size", 8}, {"route_method", "hash-random"}});
    EXPECT_ERROR(load(), "bert.encoder.layer.0.experts.experts.0.fc1.weight: missing: expected shape [16, 32]");
}

TEST_F(CheckpointFolder, WithIntegersForWeightsIsRefused) {
    tensors["classifier.bias"] = test::tensor<std::int64_t>({3}, {1, 2, 3});
    EXPECT_ERROR(load(), "classifier.bias: expected floats, found I64");
}

TEST_F(CheckpointFolder, WithAHashListThatNamesNoExpertIsRefused) {
    tensors = read_safetensors(moe_file("cls3", "hash-random"));
    put("config.json", to_json(moe_config("cls3", "hash-random")).dump());
    std::vector<std::int64_t> experts(97, 0);
    const std::string name = "bert.encoder.layer.1.experts.hash_list";
    for (const std::int64_t wrong : {-1, 4}) {
        experts[5] = wrong;
        tensors[name] = test::tensor<std::int64_t>({97}, experts);
        EXPECT_ERROR(load(), fmt::format("{}: expected experts 0 to 3, found {} for token 5", name, wrong));
    }
    tensors[name] = test::tensor<float>({97}, std::vector<float>(97));
    EXPECT_ERROR(load(), name + ": expected I64, found F32");
    tensors.erase(name);
    EXPECT_ERROR(load(), name + ": missing: expected shape [97]");
}

TEST_F(CheckpointFolder, WithAHeadForOtherLabelsIsRefusedUnlessTheCallerChangedThem) {
    load();
    const auto two_labels = [](ModelConfig& config) { config.label_names = {"no", "yes"}; };
    const Checkpoint adapted = load_checkpoint(folder, two_labels);
    EXPECT_EQ(adapted.missing, (std::vector<std::string>{"classifier.weight", "classifier.bias"}));
    EXPECT_TRUE(adapted.unused.empty());
    EXPECT_EQ(adapted.config.num_labels(), 2);
    set("id2label", {{"0", "no"}, {"1", "yes"}});
    EXPECT_ERROR(load(), "classifier.weight: expected shape [2, 32] (by config.json), found [3, 32]");
}

TEST_F(CheckpointFolder, WhoseHeadHasAnotherHiddenSizeIsRefusedEvenThen) {
    tensors["classifier.weight"] = test::tensor<float>({3, 31}, std::vector<float>(93));
    write_safetensors(folder / "model.safetensors", tensors);
    EXPECT_ERROR(load_checkpoint(folder,
                                 [](ModelConfig& config) {
                                     config.label_names = {"no", "yes"};
                                 }),
                 "classifier.weight: expected shape [2, 32] (by config.json), found [3, 31]");
}

TEST_F(CheckpointFolder, CanBeMadeAQuestionAnswerer) {
    load();
    const Checkpoint adapted = load_checkpoint(folder, [](ModelConfig& config) {
        config.problem_type = ProblemType::question_answering;
        config.label_names = {"LABEL_0", "LABEL_1"};
    });
    EXPECT_EQ(adapted.missing, (std::vector<std::string>{"qa_outputs.weight", "qa_outputs.bias"}));
    EXPECT_EQ(adapted.unused, (std::vector<std::string>{"bert.pooler.dense.bias", "bert.pooler.dense.weight",
                                                        "classifier.bias", "classifier.weight"}));
}

TEST_F(CheckpointFolder, ThatIsANameOnTheHubIsToldHowToGetIt) {
    for (const char* name : {"bert-base-uncased", "google/bert_uncased_L-2"})
        EXPECT_ERROR(check_model_folder(name), fmt::format("{0}: no such folder, and nothing is downloaded; "
                                                           "`huggingface-cli download {0} --local-dir {0}`",
                                                           name));
    for (const char* name : {"./none", "/none", "a/b/c", "a b", "none/"})
        EXPECT_ERROR(check_model_folder(name), "no such folder; expected a model's");
}

TEST_F(CheckpointFolder, ThatIsIncompleteIsNamedWithTheReason) {
    EXPECT_ERROR(load_checkpoint(folder / "none"), (folder / "none").string() + ": no such folder; expected a model's");
    EXPECT_ERROR(load_checkpoint(folder / "config.json"), "config.json: is a file; expected a model's folder");
    EXPECT_ERROR(load_checkpoint(folder), "no weights: expected one of model.safetensors, ");
    put("prepared.safetensors", "");
    EXPECT_ERROR(load_checkpoint(folder), "is prepared for inference by `moebert convert`");
    fs::remove(folder / "config.json");
    EXPECT_ERROR(load_checkpoint(folder), "config.json: no such file");
}

class ShardedCheckpoint : public CheckpointFolder {
protected:
    // Every other tensor goes to the second file.
    ShardedCheckpoint() {
        TensorMap shards[2];
        std::size_t i = 0;
        for (const auto& [name, tensor] : tensors) {
            map[name] = names[i % 2];
            shards[i++ % 2].emplace(name, tensor);
        }
        for (std::size_t s = 0; s < 2; ++s) write_safetensors(folder / names[s], shards[s]);
    }

    Checkpoint load_index() {
        put("model.safetensors.index.json", json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
        return load_checkpoint(folder);
    }

    const std::string names[2] = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
    json map;
};

TEST_F(ShardedCheckpoint, IsLoadedAsOne) { EXPECT_TRUE(same(load_index().tensors, tensors)); }

TEST_F(ShardedCheckpoint, MayBeOfTorchFiles) {
    for (auto& shard : map) shard = "pytorch_model-00001-of-00001.bin";
    put("pytorch_model-00001-of-00001.bin", test::slurp(cls3 / "pytorch_model.bin"));
    put("pytorch_model.bin.index.json", json{{"weight_map", map}}.dump());
    EXPECT_TRUE(same(load_checkpoint(folder).tensors, tensors));
}

TEST_F(ShardedCheckpoint, ReadsNoFilesOutsideOfItsFolder) {
    for (const std::string evil :
         {"../model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", "", "config.json"}) {
        map[pooler_bias] = evil;
        EXPECT_ERROR(load_index(), "bert.pooler.dense.bias: expected the name of a weights file in the same folder");
    }
    map[pooler_bias] = 3;
    EXPECT_ERROR(load_index(), "expected the name of a weights file in the same folder, found 3");
}

TEST_F(ShardedCheckpoint, WhoseIndexIsWrongIsRefused) {
    map[pooler_bias] = map[pooler_bias] == names[0] ? names[1] : names[0];
    EXPECT_ERROR(load_index(), "index.json: bert.pooler.dense.bias: not in model-0000");
    map.erase(pooler_bias);
    EXPECT_ERROR(load_index(), "bert.pooler.dense.bias: missing");
    map["another"] = "absent.safetensors";
    EXPECT_ERROR(load_index(), "absent.safetensors: no such file");
    put("model.safetensors.index.json", R"({"weight_map": []})");
    EXPECT_ERROR(load_checkpoint(folder), "weight_map: expected an object");
}

void copy_tokenizer_files(const TokenizerSource& from, const fs::path& to) {
    auto files = checkpoint_files(to);
    add_tokenizer_files(from, to, files);
    files.commit();
}

// The order of names is what a crash leaves: see also the tests of kill points.
TEST_F(CheckpointFolder, IsReplacedAsAWhole) {
    for (const auto* name : {"c", "source"}) fs::create_directory(folder / name);
    put("c/vocab.txt", "");
    put("source/vocab.txt", "[PAD]\n");
    save_checkpoint(folder / "c", load().config, load().tensors);
    auto changed = load();
    changed.tensors["classifier.bias"] = test::tensor<float>({4}, {1, 2, 3, 4});
    EXPECT_ERROR(save_checkpoint(folder / "c", changed.config, changed.tensors, {folder / "source"}), "expected shape");
    EXPECT_TRUE(test::same(load_checkpoint(folder / "c").tensors, load().tensors));
    EXPECT_EQ(test::slurp(folder / "c/vocab.txt"), "");
}

TEST_F(CheckpointFolder, PassesItsTokenizerOn) {
    put("vocab.txt", "[PAD]\n");
    put("tokenizer_config.json", "{}");
    copy_tokenizer_files({folder}, folder / "to");
    EXPECT_EQ(test::slurp(folder / "to/vocab.txt"), "[PAD]\n");
    EXPECT_EQ(test::slurp(folder / "to/tokenizer_config.json"), "{}");
    EXPECT_EQ(std::distance(fs::directory_iterator(folder / "to"), {}), 2);
    copy_tokenizer_files({folder}, folder);
    EXPECT_EQ(test::slurp(folder / "vocab.txt"), "[PAD]\n");
    fs::create_directory(folder / "other");
    put("other/tokenizer.json", "{}");
    copy_tokenizer_files({folder}, folder / "other");
    EXPECT_FALSE(fs::exists(folder / "other/tokenizer.json"));  // it would be read before vocab.txt
}

TEST_F(CheckpointFolder, MayNameItsTensorsAsTheToolsThatWrapModels) {
    const auto expected = load().tensors;
    const auto plain = tensors;
    for (const std::string wrapper : {"module.", "_orig_mod.", "model.", "base_model.model.", "_orig_mod.module."}) {
        tensors.clear();
        for (const auto& [name, tensor] : plain) tensors[wrapper + name] = tensor;
        EXPECT_TRUE(same(load().tensors, expected)) << wrapper;
    }
    tensors["bert.pooler.dense.bias"] = plain.at("bert.pooler.dense.bias");
    EXPECT_ERROR(load(), "there twice");
}

TEST_F(CheckpointFolder, MayHaveTensorsOfAnyTypeThatItDoesNotNeed) {
    tensors["aux.ids"] = {DType::u16, {2}, test::bytes_of("abcd"), nullptr};
    EXPECT_EQ(load().unused, (std::vector<std::string>{"aux.ids"}));
    auto text = test::slurp(folder / "model.safetensors");
    text.replace(text.find("U16"), 3, "F42");
    put("model.safetensors", text);
    EXPECT_EQ(load_checkpoint(folder).unused, (std::vector<std::string>{"aux.ids"}));
    tensors.erase("aux.ids");
    const std::string blank(64, ' ');
    tensors[pooler_bias] = {DType::u16, {32}, test::bytes_of(blank), nullptr};
    EXPECT_ERROR(load(), "bert.pooler.dense.bias: expected floats, found U16");
}

TEST_F(CheckpointFolder, WithWeightsThatAreNoNumbersIsRefused) {
    for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        std::vector<float> values(32, 1.0F);
        values[7] = wrong;
        tensors[pooler_bias] = test::tensor<float>({32}, values);
        EXPECT_ERROR(load(), "model.safetensors: bert.pooler.dense.bias: expected finite numbers, found");
        EXPECT_ERROR(load(), " at 7");
    }
}

TEST_F(CheckpointFolder, WithWeightsOfAnotherFrameworkIsNamed) {
    put("tf_model.h5", "x");
    EXPECT_ERROR(load_checkpoint(folder), "tf_model.h5: TensorFlow's weights: expected one of model.safetensors");
}

TEST_F(CheckpointFolder, OfAnotherTaskHasNoHeadHere) {
    set("architectures", {"BertForTokenClassification"});
    write_safetensors(folder / "model.safetensors", tensors);
    EXPECT_ERROR(load_finetuned(folder), "another task (BertForTokenClassification)");
    const auto base = load_checkpoint(folder, [](ModelConfig&) {});
    EXPECT_EQ(base.missing, (std::vector<std::string>{"classifier.weight", "classifier.bias"}));
}

TEST_F(CheckpointFolder, KeepsTheLengthItWasTrainedWith) {
    put("vocab.txt", "[PAD]\n");
    put("added_tokens.json", "{}");
    put("tokenizer_config.json", R"({"do_lower_case": false, "model_max_length": 512, "a": [1]})");
    copy_tokenizer_files({folder, 256}, folder / "to");
    EXPECT_EQ(nlohmann::json::parse(test::slurp(folder / "to/tokenizer_config.json")),
              nlohmann::json({{"do_lower_case", false}, {"model_max_length", 256}, {"a", {1}}}));
    EXPECT_TRUE(fs::exists(folder / "to/added_tokens.json"));
    fs::remove(folder / "tokenizer_config.json");
    copy_tokenizer_files({folder, 128}, folder / "to");
    EXPECT_EQ(nlohmann::json::parse(test::slurp(folder / "to/tokenizer_config.json")),
              nlohmann::json({{"model_max_length", 128}}));
}

TEST_F(CheckpointFolder, HasADigestOfItsContent) {
    const Checkpoint checkpoint = load();
    Checkpoint changed = checkpoint;
    EXPECT_EQ(checkpoint_digest(changed), checkpoint_digest(checkpoint));
    changed.tensors["classifier.bias"] = test::tensor<float>({3}, {1, 2, 3});
    EXPECT_NE(checkpoint_digest(changed), checkpoint_digest(checkpoint));
    changed = checkpoint;
    changed.tensors.erase("classifier.bias");
    EXPECT_NE(checkpoint_digest(changed), checkpoint_digest(checkpoint));
}

TEST_F(CheckpointFolder, IsReadableForPythonsSafetensors) {
    if (std::system("python3 -c 'import safetensors.numpy' 2>/dev/null") != 0) {
        GTEST_SKIP() << "python3 has no safetensors package";
    }
    save_checkpoint(folder / "c", moe_config("cls3", "hash-random"), read_safetensors(moe_file("cls3", "hash-random")));
    const std::string check = fmt::format(
        "python3 -c \"from safetensors.numpy import load_file; a = load_file('{}'); b = load_file('{}'); "
        "assert a.keys() == b.keys() and all((a[k] == b[k]).all() and a[k].dtype == b[k].dtype for k in a)\"",
        (folder / "c/model.safetensors").string(), moe_file("cls3", "hash-random").string());
    EXPECT_EQ(std::system(check.c_str()), 0);
}

}  // namespace
}  // namespace moebert
