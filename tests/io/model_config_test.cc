#include "io/model_config.h"

#include "io/support.h"

namespace moebert {
namespace {

using nlohmann::json;
using Config = test::InFolder;

json small_config() {
    return {{"model_type", "bert"},          {"vocab_size", 97},         {"hidden_size", 32},
            {"num_hidden_layers", 3},        {"num_attention_heads", 4}, {"intermediate_size", 64},
            {"max_position_embeddings", 40}, {"hidden_act", "gelu"}};
}

ModelConfig parse(const json& config) { return parse_model_config(config.dump(), "config.json"); }

// The small configuration with one member changed (null: taken away, as Hugging Face understands it).
ModelConfig parse_with(const std::string& key, const json& value) {
    json config = small_config();
    config[key] = value;
    return parse(config);
}

json moe_object() {
    return {{"num_experts", 4}, {"expert_size", 16}, {"shared_size", 8}, {"route_method", "gate-token"}};
}

ModelConfig parse_moe_with(const std::string& key, const json& value) {
    json moe = moe_object();
    moe[key] = value;
    return parse_with("moebert", moe);
}

TEST_F(Config, OfTheFixturesIsRead) {
    const ModelConfig cls = read_model_config(test::fixtures / "cls3/dense/config.json");
    EXPECT_EQ(cls.vocab_size, 97);
    EXPECT_EQ(cls.head_size(), 8);
    EXPECT_EQ(cls.hidden_dropout_prob, 0.0);
    EXPECT_EQ(cls.problem_type, ProblemType::classification);
    EXPECT_EQ(cls.label_names, (std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"}));
    EXPECT_EQ(read_model_config(test::fixtures / "reg/dense/config.json").problem_type, ProblemType::regression);
    EXPECT_EQ(read_model_config(test::fixtures / "qa/dense/config.json").problem_type, ProblemType::question_answering);
}

TEST_F(Config, IsReadAsItWasWritten) {
    json original = small_config();
    original["id2label"] = {{"0", "no"}, {"1", "yes"}};
    original["finetuning_task"] = "mrpc";
    original["moebert"] = moe_object();
    original["layer_norm_eps"] = 1e-5;
    const ModelConfig config = parse(original);
    const ModelConfig again = parse(to_json(config));
    EXPECT_EQ(to_json(again), to_json(config));
    EXPECT_EQ(again.label_names, (std::vector<std::string>{"no", "yes"}));
    EXPECT_EQ(again.layer_norm_eps, 1e-5);
    ASSERT_TRUE(again.moe);
    EXPECT_EQ(again.moe->num_experts, 4);
    EXPECT_EQ(again.moe->expert_size, 16);
    EXPECT_EQ(again.moe->shared_size, 8);
    EXPECT_EQ(again.moe->route_method, RouteMethod::gate_token);
    EXPECT_EQ(again.moe->expert_dropout, 0.1);
}

TEST_F(Config, KeepsWhatItDoesNotKnow) {
    const json written = to_json(parse_with("finetuning_task", "mrpc"));
    EXPECT_EQ(written.at("finetuning_task"), "mrpc");
}

TEST_F(Config, MayHaveANullForThePaddingToken) {
    EXPECT_EQ(parse_with("pad_token_id", nullptr).pad_token_id, 0);
    EXPECT_EQ(parse_with("pad_token_id", 3).pad_token_id, 3);
    EXPECT_EQ(to_json(parse_with("pad_token_id", 3)).at("pad_token_id"), 3);
}

TEST_F(Config, DropsTheTypeOfTheOldWeights) {
    EXPECT_FALSE(to_json(parse_with("torch_dtype", "float16")).contains("torch_dtype"));
}

TEST_F(Config, IsWrittenInHuggingFacesTerms) {
    const json classification = to_json(parse(small_config()));
    EXPECT_EQ(classification.at("architectures"), json::array({"BertForSequenceClassification"}));
    EXPECT_EQ(classification.at("model_type"), "bert");
    EXPECT_EQ(classification.at("problem_type"), "single_label_classification");
    EXPECT_EQ(classification.at("id2label"), (json{{"0", "LABEL_0"}, {"1", "LABEL_1"}}));
    EXPECT_EQ(classification.at("label2id"), (json{{"LABEL_0", 0}, {"LABEL_1", 1}}));
    EXPECT_EQ(to_json(parse_with("num_labels", 1)).at("problem_type"), "regression");
    const json answering = to_json(parse_with("architectures", {"BertForQuestionAnswering"}));
    EXPECT_EQ(answering.at("architectures"), json::array({"BertForQuestionAnswering"}));
    EXPECT_FALSE(answering.contains("problem_type"));
}

TEST_F(Config, OfAMixtureOfExpertsNamesNoModelThatOtherToolsWouldOpenAsDense) {
    const json written = to_json(parse_with("moebert", moe_object()));
    EXPECT_EQ(written.at("architectures"), json::array({"MoEBertForSequenceClassification"}));
    EXPECT_EQ(written.at("model_type"), "moebert");
}

TEST_F(Config, OfAMixtureOfExpertsMayHaveTheTypeOfEarlyOnes) {
    json config = small_config();
    config["moebert"] = moe_object();
    for (const char* type : {"bert", "moebert"}) {
        config["model_type"] = type;
        EXPECT_TRUE(parse(config).moe) << type;
    }
}

TEST_F(Config, OfAMixtureOfExpertsNeedsItsSizes) {
    EXPECT_ERROR(parse_with("model_type", "moebert"), "config.json: moebert: missing: model_type moebert needs");
}

TEST_F(Config, WithoutLabelsHasTwoAsInHuggingFace) {
    EXPECT_EQ(parse(small_config()).label_names, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
    EXPECT_EQ(parse_with("num_labels", 3).num_labels(), 3);
    EXPECT_EQ(parse_with("id2label", nullptr).num_labels(), 2);
}

TEST_F(Config, TakesLabelsFromEitherTableInTheOrderOfTheirNumbers) {
    json ids = json::object();
    for (int i = 0; i < 12; ++i) ids[std::to_string(i)] = fmt::format("label{}", i);
    EXPECT_EQ(parse_with("id2label", ids).label_names[10], "label10");
    EXPECT_EQ(parse_with("label2id", {{"yes", 1}, {"no", 0}}).label_names, (std::vector<std::string>{"no", "yes"}));
}

TEST_F(Config, WithoutModelTypeNeedsAnArchitectureOfBert) {
    json config = small_config();
    config.erase("model_type");
    EXPECT_ERROR(parse(config), "config.json: model_type: missing, and architectures names no BERT");
    config["architectures"] = {"BertModel"};
    EXPECT_EQ(parse(config).vocab_size, 97);
}

struct Refused {
    const char* title;
    const char* key;
    json value;
    std::string message;  // after the key
};

class RefusedConfig : public testing::TestWithParam<Refused> {};

TEST_P(RefusedConfig, NamesTheKeyTheValueAndWhatWasExpected) {
    const std::string message = test::error_of([] { parse_with(GetParam().key, GetParam().value); });
    EXPECT_PRED2(test::contains, message, fmt::format("config.json: {}: {}", GetParam().key, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedConfig,
    testing::Values(
        Refused{"Roberta", "model_type", "roberta", "expected bert or moebert, found roberta"},
        Refused{"TypeThatIsNoText", "model_type", 3, "expected a string, found 3"},
        Refused{"Missing", "vocab_size", nullptr, "missing"},
        Refused{"Zero", "hidden_size", 0, "expected an integer from 1 to 65536, found 0"},
        Refused{"Negative", "num_hidden_layers", -1, "expected an integer from 1 to 256, found -1"},
        Refused{"Huge", "vocab_size", std::uint64_t{1} << 63, "expected an integer from 1 to 16777216"},
        Refused{"Fraction", "intermediate_size", 64.5, "expected an integer from 1 to 1048576, found 64.5"},
        Refused{"Text", "max_position_embeddings", "512", "expected an integer from 1 to 1048576, found \"512\""},
        Refused{"HeadsThatDoNotDivide", "num_attention_heads", 5, "expected a divisor of hidden_size 32, found 5"},
        Refused{"Positions", "position_embedding_type", "relative_key", "expected absolute, found relative_key"},
        Refused{"Decoder", "is_decoder", true, "expected false, found true"},
        Refused{"CrossAttention", "add_cross_attention", true, "expected false, found true"},
        Refused{"FlagThatIsNone", "is_decoder", 1, "expected true or false, found 1"},
        Refused{"Activation", "hidden_act", "geglu", "expected one of gelu, "},
        Refused{"Padding", "pad_token_id", 97, "expected an integer from 0 to 96, found 97"},
        Refused{"Epsilon", "layer_norm_eps", -1e-12, "expected a number from 0 to below 1, found -1e-12"},
        Refused{"Dropout", "hidden_dropout_prob", 1.5, "expected a number from 0 to below 1, found 1.5"},
        Refused{"Architectures", "architectures", "BertModel", "expected a list of strings, found \"BertModel\""},
        Refused{"OtherProblem", "problem_type", "ranking", "expected regression or single_label"},
        Refused{"LabelsInAList", "id2label", {"no", "yes"}, "expected an object of label names"},
        Refused{"NoLabels", "id2label", json::object(), "expected an object of label names"},
        Refused{"LabelNumberMissing", "id2label", {{"0", "no"}, {"2", "yes"}}, "expected the keys 0 to 1"},
        Refused{"LabelsAlike", "id2label", {{"0", "no"}, {"1", "no"}}, "expected names that differ"},
        Refused{"LabelNumbersAlike", "label2id", {{"no", 0}, {"yes", 0}}, "expected each number from 0 to 1 once"},
        Refused{"NoLabelNumber", "num_labels", 0, "expected an integer from 1 to 1048576, found 0"},
        Refused{"MoeList", "moebert", json::array(), "expected an object, found []"}),
    [](const auto& refused) { return refused.param.title; });

// transformers writes such files, and reads them so.
TEST_F(Config, Id2labelCountsWhereLabel2idIsAnother) {
    json config = small_config();
    config["id2label"] = {{"0", "no"}, {"1", "yes"}};
    config["label2id"] = {{"LABEL_0", 0}, {"LABEL_1", 1}};
    EXPECT_EQ(parse(config).label_names, (std::vector<std::string>{"no", "yes"}));
}

TEST_F(Config, HasWhatTrainingLeavesToInference) {
    json config = small_config();
    config["classifier_dropout"] = nullptr;
    EXPECT_FALSE(parse(config).classifier_dropout);
    config["classifier_dropout"] = 0.25;
    EXPECT_EQ(parse(config).classifier_dropout, 0.25);
    EXPECT_EQ(to_json(parse(config)).at("classifier_dropout"), 0.25);
    config["version_2_with_negative"] = true;
    EXPECT_FALSE(parse(config).version_2_with_negative) << "is of questions";
    config["architectures"] = {"BertForQuestionAnswering"};
    EXPECT_TRUE(parse(config).version_2_with_negative);
    EXPECT_EQ(to_json(parse(config)).at("version_2_with_negative"), true);
    config["version_2_with_negative"] = 1;
    EXPECT_ERROR(parse(config), "version_2_with_negative: expected true or false");
}

TEST_F(Config, ThatContradictsItselfIsRefused) {
    json config = small_config();
    config["id2label"] = {{"0", "no"}, {"1", "yes"}};
    config["num_labels"] = 3;
    const auto contradictory = parse(config);
    EXPECT_EQ(contradictory.num_labels(), 2);
    ASSERT_EQ(contradictory.warnings.size(), 1U);
    EXPECT_EQ(contradictory.warnings[0], "config.json: num_labels: is 3, but there are 2 label names, which count");
    config.erase("num_labels");
    config["problem_type"] = "regression";
    EXPECT_ERROR(parse(config), "config.json: id2label: expected 1 label for regression, found 2");
}

TEST_F(Config, OfImpossibleExpertsIsRefused) {
    EXPECT_ERROR(parse_moe_with("num_experts", 0),
                 "config.json: moebert.num_experts: expected an integer from 1 to 512");
    EXPECT_ERROR(parse_moe_with("expert_size", 0), "moebert.expert_size: expected an integer from 8 to 22, found 0");
    EXPECT_ERROR(parse_moe_with("expert_size", 23), "moebert.expert_size: expected an integer from 8 to 22, found 23");
    EXPECT_ERROR(parse_moe_with("shared_size", 65), "moebert.shared_size: expected an integer from 0 to 64, found 65");
    EXPECT_ERROR(parse_moe_with("shared_size", 17), "moebert.expert_size: expected an integer from 17 to 28, found 16");
    EXPECT_ERROR(parse_moe_with("route_method", "hash"), "moebert.route_method: expected one of hash-random, ");
    EXPECT_ERROR(parse_moe_with("expert_dropout", 1), "moebert.expert_dropout: expected a number from 0 to below 1");
    EXPECT_ERROR(parse_moe_with("gates", 1), "moebert.gates: unknown; expected ");
}

TEST_F(Config, ThatIsNoJsonObjectIsRefused) {
    EXPECT_ERROR(parse_model_config("", "config.json"), "config.json: not valid JSON");
    EXPECT_ERROR(parse_model_config("3", "config.json"), "config.json: expected a JSON object, found number");
    EXPECT_ERROR(parse_model_config(std::string(1000000, '['), "config.json"),
                 "config.json: nests deeper than 64 levels");
    EXPECT_ERROR(parse_model_config(R"({"a": 1, "a": 2})", "config.json"), "config.json: a: the key occurs twice");
}

TEST_F(Config, ThatIsDamagedIsRefusedOrReadButNeverCrashes) {
    json config = small_config();
    config["id2label"] = {{"0", "no"}, {"1", "yes"}};
    config["moebert"] = moe_object();
    test::try_damaged(config.dump(), [](std::string_view text) { parse_model_config(text, "config.json"); });
}

TEST(RouteMethods, HaveTheNamesOfTheCommandLine) {
    for (const char* name : {"hash-random", "hash-balance", "gate-token", "gate-sentence"}) {
        EXPECT_EQ(to_string(parse_route_method(name)), name);
    }
    EXPECT_THROW(parse_route_method("gate"), UsageError);
    EXPECT_TRUE(is_gated(RouteMethod::gate_sentence));
    EXPECT_FALSE(is_gated(RouteMethod::hash_balance));
}

TEST(ModelConfig, NamesOfLabelsMayBeNumbersOrNull) {
    EXPECT_EQ(parse_with("id2label", {{"0", 0}, {"1", nullptr}}).label_names,
              (std::vector<std::string>{"0", "LABEL_1"}));
    EXPECT_ERROR(parse_with("id2label", {{"0", {1}}, {"1", "a"}}), "id2label.0: expected a string, found [1]");
}

TEST(ModelConfig, OfAnotherTaskHasAnEncoder) {
    EXPECT_EQ(parse_with("architectures", {"BertForTokenClassification"}).other_task, "BertForTokenClassification");
    EXPECT_EQ(parse_with("problem_type", "multi_label_classification").other_task, "multi_label_classification");
    EXPECT_EQ(parse_with("architectures", {"BertForMaskedLM"}).other_task, "");
}

TEST(ModelConfig, OfTheFirstYearIsKnownByItsKeys) {
    const json old = {{"attention_probs_dropout_prob", 0.1},
                      {"hidden_act", "gelu"},
                      {"hidden_dropout_prob", 0.1},
                      {"hidden_size", 32},
                      {"initializer_range", 0.02},
                      {"intermediate_size", 64},
                      {"max_position_embeddings", 64},
                      {"num_attention_heads", 4},
                      {"num_hidden_layers", 2},
                      {"type_vocab_size", 2},
                      {"vocab_size", 97}};
    EXPECT_EQ(parse(old).num_hidden_layers, 2);
    auto other = old;
    other.erase("type_vocab_size");
    EXPECT_ERROR(parse(other), "model_type: missing");
    other = old;
    other["architectures"] = {"GPT"};
    EXPECT_ERROR(parse(other), "model_type: missing");
}

}  // namespace
}  // namespace moebert
