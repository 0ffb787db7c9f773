#include "command_line.h"

#include "hugging_face.h"
#include "io/support.h"

namespace moebert::cli {
namespace {

using Arguments = std::vector<std::string>;

struct SampleOptions {
    double learning_rate = 1.0;
    std::int64_t num_experts = 4;
    std::string task_name, report_to;
    bool bf16 = false;
    std::optional<std::int64_t> eval_steps;
    std::optional<bool> greater_is_better;
};

template <class Visitor>
void describe(Visitor& visit, SampleOptions& o) {
    visit("learning_rate", o.learning_rate, "peak");
    visit("num_experts", o.num_experts, "experts", {"moebert_expert_num"});
    visit("task_name", o.task_name, "task");
    visit("report_to", o.report_to, "where to");
    visit("bf16", o.bf16, "half");
    visit("eval_steps", o.eval_steps, "every so many");
    visit("greater_is_better", o.greater_is_better, "more is better");
}

class CommandLineTest : public test::InFolder {
protected:
    CommandLineTest() {
        bind(app, "Sample", options);
        app.add_option("--config", "");
    }
    // Prepares the arguments and parses them as main() does.
    void parse(const Arguments& arguments) {
        auto prepared = prepare_arguments(app, arguments);
        std::reverse(prepared.begin(), prepared.end());
        app.parse(prepared);
    }
    CLI::App app{"", "finetune"};
    SampleOptions options;
};

using PrepareArguments = CommandLineTest;

TEST_F(PrepareArguments, TakesDashesAndUnderscoresForTheSame) {
    EXPECT_EQ(prepare_arguments(app, {"--learning-rate", "1", "--task-name=a-b"}),
              (Arguments{"--learning_rate", "1", "--task_name=a-b"}));
}

TEST_F(PrepareArguments, LeavesValuesAndPositionalsAsTheyAre) {
    EXPECT_EQ(prepare_arguments(app, {"some-file", "--task_name", "-x-y", "-h"}),
              (Arguments{"some-file", "--task_name", "-x-y", "-h"}));
}

TEST_F(PrepareArguments, LeavesATextThatSaysTrue) {
    EXPECT_EQ(prepare_arguments(app, {"--task_name", "True"}), (Arguments{"--task_name", "True"}));
}

TEST_F(PrepareArguments, JoinsTrueAndFalseToTheirFlag) {
    EXPECT_EQ(prepare_arguments(app, {"--bf16", "True", "--bf16", "false", "--bf16"}),
              (Arguments{"--bf16=true", "--bf16=false", "--bf16"}));
}

TEST_F(PrepareArguments, NamesTheNearestOptionOfAnUnknownOne) {
    EXPECT_THROW(prepare_arguments(app, {"--learningrate", "1"}), UsageError);
    EXPECT_ERROR(prepare_arguments(app, {"--learningrate", "1"}),
                 "--learningrate: no such option of `moebert finetune`; the nearest is --learning_rate");
    EXPECT_ERROR(prepare_arguments(app, {"--moebert_expert_nun=3"}), "the nearest is --moebert_expert_num");
}

TEST_F(CommandLineTest, FillsFieldsOfEveryTypeUnderEitherName) {
    parse({"--learning_rate", "2.5e-5", "--moebert_expert_num", "8", "--task-name", "rte", "--bf16", "--eval_steps=10",
           "--greater_is_better", "False"});
    EXPECT_EQ(options.learning_rate, 2.5e-5);
    EXPECT_EQ(options.num_experts, 8);
    EXPECT_EQ(options.task_name, "rte");
    EXPECT_TRUE(options.bf16);
    EXPECT_EQ(options.eval_steps, 10);
    EXPECT_EQ(options.greater_is_better, false);
}

TEST_F(CommandLineTest, LeavesDefaultsAndTakesTheLastOfSeveral) {
    parse({"--num_experts", "2", "--num_experts", "-3"});
    EXPECT_EQ(options.num_experts, -3);
    EXPECT_EQ(options.learning_rate, 1.0);
    EXPECT_FALSE(options.eval_steps);
    EXPECT_FALSE(options.greater_is_better);
}

TEST_F(CommandLineTest, RefusesAValueOfTheWrongType) {
    EXPECT_THROW(parse({"--num_experts", "four"}), CLI::ParseError);
    EXPECT_THROW(parse({"--num_experts", "4.5"}), CLI::ParseError);
    EXPECT_THROW(parse({"--learning_rate"}), CLI::ParseError);
}

TEST_F(CommandLineTest, ReadsJsonRecipesThatTheCommandLineOverrides) {
    const auto file = put("recipe.json",
                          R"({"learning-rate": 2e-5, "moebert_expert_num": 8, "task_name": "rte", "bf16": true,
                              "eval_steps": null, "greater_is_better": false})");
    parse({"--task_name", "mnli", "--config", file.string()});
    EXPECT_EQ(options.learning_rate, 2e-5);
    EXPECT_EQ(options.num_experts, 8);
    EXPECT_EQ(options.task_name, "mnli");
    EXPECT_TRUE(options.bf16);
    EXPECT_FALSE(options.eval_steps);
    EXPECT_EQ(options.greater_is_better, false);
}

TEST_F(CommandLineTest, ReadsTomlRecipesWithComments) {
    const auto file =
        put("recipe.toml", "# a recipe\nlearning_rate = 2e-5\ntask-name = \"rte\"  # quoted\nbf16 = true\n");
    parse({"--config=" + file.string(), "--learning_rate=3"});
    EXPECT_EQ(options.learning_rate, 3.0);
    EXPECT_EQ(options.task_name, "rte");
    EXPECT_TRUE(options.bf16);
}

TEST_F(CommandLineTest, TakesSectionsOfATomlRecipeForHeadings) {
    parse({"--config", put("recipe.toml", "[Data]\ntask_name = \"rte\"\n\n[Training]\nlearning_rate = 2\n").string()});
    EXPECT_EQ(options.task_name, "rte");
    EXPECT_EQ(options.learning_rate, 2.0);
}

TEST_F(CommandLineTest, ReadsValuesOfTomlWithEscapesAndHashes) {
    parse({"--config", put("a.toml", "task_name = \"a#b \\\"c\\\" \\u00e9\"\nnum_experts = 1_6").string()});
    EXPECT_EQ(options.task_name, "a#b \"c\" \u00e9");
    EXPECT_EQ(options.num_experts, 16);
    parse({"--config", put("b.toml", "task_name = 'a\\b#'\nlearning_rate = 1e-300").string()});
    EXPECT_EQ(options.task_name, "a\\b#");
    EXPECT_EQ(options.learning_rate, 1e-300);
}

TEST_F(CommandLineTest, TakesAListWhereAnOptionTakesSeveralValuesOrForOneValue) {
    options.report_to = "all";
    for (const auto& [name, content] :
         {std::pair{"a.json", R"({"report_to": []})"}, {"a.toml", "report_to = []"}, {"b.json", "{}"}}) {
        parse({"--config", put(name, content).string()});
        EXPECT_EQ(options.report_to, "all") << "an empty list is as good as none";
    }
    for (const auto& [name, content] :
         {std::pair{"a.json", R"({"report-to": ["x", "y"]})"}, {"a.toml", "report_to = [\"x\", 'y']"}}) {
        parse({"--config", put(name, content).string()});
        EXPECT_EQ(options.report_to, "x,y");
    }
    parse({"--config", put("a.json", R"({"task_name": ["rte"], "num_experts": [3]})").string()});
    EXPECT_EQ(options.task_name, "rte");
    EXPECT_EQ(options.num_experts, 3);
}

TEST_F(CommandLineTest, NamesTheRecipeInItsErrors) {
    const auto refuse = [&](const std::string& name, const std::string& content, const std::string& message) {
        EXPECT_ERROR(prepare_arguments(app, {"--config", put(name, content).string()}), message) << content;
    };
    refuse("a.json", R"({"learningrate": 1})",
           "a.json: --learningrate: no such option of `moebert finetune`; the nearest");
    refuse("a.json", "{\"learning_rate\": 1", "a.json");
    refuse("a.json", "[1]", "a.json: expected a JSON object");
    refuse("a.json", R"({"task_name": {"a": 1}})", "a.json: task_name: expected a number, string or boolean");
    refuse("a.json", R"({"task_name": [["rte"]]})", "a.json: task_name: expected a number, string or boolean");
    refuse("a.json", R"({"task_name": []})", "a.json: task_name: expected one value, found 0");
    refuse("a.json", R"({"num_experts": 1, "moebert-expert-num": 2})",
           "a.json: num_experts: the option is given twice");
    refuse("a.toml", "learningrate = 1\n", "a.toml: --learningrate: no such option");
    refuse("a.toml", "task_name = [\"rte\", \"mnli\"]\n", "a.toml: task_name: expected one value, found 2");
    refuse("a.toml", "bf16 = true\ntask_name = {a = 1}\n", "a.toml: line 2: task_name: expected a number, string");
    refuse("a.toml", "task_name = 2020-01-01\n", "a.toml: line 1: task_name: expected a number, string");
    refuse("a.toml", "bf16 = true\ntask_name = \"rte\n", "a.toml: line 2: ");
    refuse("a.toml", "a\u00e9 = 1\n", "a.toml: line 1: ");
    refuse("a.toml", "a\ufefb = 1\n", "a.toml: line 1: ");
    refuse("a.toml", "[# a\n", "a.toml: line 1: Error while parsing key: expected bare key");
    refuse("a.toml", "bf16 = true\nbf16 = true\n", "a.toml: line 2: ");
    refuse("a.toml", "[A]\nbf16 = true\n[B]\nbf16 = true\n", "a.toml: bf16: the option is given twice");
    refuse("a.toml", "\n[a" + std::string(100'000, '.') + "a]\n", "a.toml: line 2: has more than 256 dots");
    refuse("a.toml", std::string((1 << 20) + 1, '\n'), "a.toml: expected at most 1048576 bytes, found 1048577");
    refuse("a.json", R"({"config": "b.json"})", "a.json: config");
    EXPECT_ERROR(prepare_arguments(app, {"--config", (folder / "none.json").string()}), "none.json");
    EXPECT_ERROR(prepare_arguments(app, {"--config", (folder / "none.toml").string()}), "none.toml");
    EXPECT_ERROR(prepare_arguments(app, {"--config", folder.string()}), folder.string());
    EXPECT_ERROR(prepare_arguments(app, {"--config"}), "--config: a file is needed");
}

TEST_F(CommandLineTest, NamesIgnoredOptionsThatWereGivenAndNoOthers) {
    ScriptOptions script;
    Ignored ignored;
    ignored.bind(app, script);
    parse({"--cache_dir", "x", "--overwrite_cache", "--task_name", "rte"});
    std::vector<std::string> warnings;
    Sink sink;
    sink.on_warning = [&](std::string_view text) { warnings.emplace_back(text); };
    ignored.warn(app, sink);
    ASSERT_EQ(warnings.size(), 2U);
    EXPECT_EQ(warnings[0], "--overwrite_cache means nothing to `moebert finetune`: ignored");
    EXPECT_EQ(warnings[1], "--cache_dir means nothing to `moebert finetune`: ignored");
}

TEST(CheckStage, SendsAScriptsStageToItsSubcommand) {
    EXPECT_NO_THROW(check_stage({true, true, false, false, "moe"}, "distill"));
    EXPECT_NO_THROW(check_stage({false, false, false, true, "moe"}, "importance"));
    EXPECT_NO_THROW(check_stage({false, true, false, true, ""}, "importance"));
    EXPECT_NO_THROW(check_stage({}, "finetune"));
    const auto refuse = [](const StageOptions& stage, const char* command, const char* message) {
        EXPECT_ERROR(check_stage(stage, command), message);
    };
    refuse({true, false, false, false, "dense"}, "distill", "--moebert: 'dense' given; only 'moe'");
    refuse({true, false, false, false, "moe"}, "finetune", "`moebert distill` makes a mixture");
    refuse({true, false, false, true, ""}, "distill", "`moebert importance`");
    refuse({true, false, false, false, ""}, "importance", "importance doesn't train");
    refuse({true, false, true, false, ""}, "finetune", "`moebert predict`");
    refuse({false, true, false, false, ""}, "distill", "`moebert evaluate`");
}

}  // namespace
}  // namespace moebert::cli
