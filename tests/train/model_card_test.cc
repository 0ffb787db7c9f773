#include "io/support.h"
#include "train/job_common.h"

namespace moebert {
namespace {

class ModelCard : public test::InFolder {
protected:
    ModelCard() {
        job.model_name_or_path = "/models/bert: \"base\"";
        job.data.train_file = "data/train.tsv";
        job.command = "moebert finetune";
        config.label_names = {"no", "yes"};
        results = {{"max_seq_length", 128}};
    }

    std::string card() const {
        save_model_card(folder, config, job, options, results);
        return test::slurp(folder / "README.md");
    }

    ModelConfig config;
    JobContext job;
    nlohmann::json options = {{"seed", 3}}, results;
};

TEST_F(ModelCard, HasTheHubsMetadataWithItsTextsQuoted) {
    results["eval_mse"] = 1e-5;
    results["eval_pearson"] = 0.5;
    results["eval_loss"] = 2.0;
    const auto text = card();
    EXPECT_TRUE(
        text.starts_with("---\nlibrary_name: transformers\npipeline_tag: text-classification\n"
                         "base_model: \"bert: \\\"base\\\"\"\ndatasets:\n- \"train.tsv\"\n"))
        << text;
    EXPECT_PRED2(test::contains, text, "metrics:\n- mse\n- pearsonr\n");
    EXPECT_PRED2(test::contains, text, "    - type: mse\n      name: \"mse\"\n      value: 1.0e-05\n");
    EXPECT_PRED2(test::contains, text, "| eval_loss | 2.0 |");
}

TEST_F(ModelCard, OfQuestionsAndTasksNamesThem) {
    config.problem_type = ProblemType::question_answering;
    config.moe = MoeConfig();
    job.data.task_name = "squad_v2";
    job.model_name_or_path = "google/bert";
    const auto text = card();
    EXPECT_TRUE(
        text.starts_with("---\nlibrary_name: moebert\npipeline_tag: question-answering\n"
                         "base_model: \"google/bert\"\ndatasets:\n- \"squad_v2\"\n"))
        << text;
    EXPECT_PRED2(test::contains, text, "Not evaluated.");
}

TEST_F(ModelCard, HoldsWhatItShowsInPlace) {
    job.command = "moebert finetune --run_name '```'";
    options = {{"label_column_name", "a|b"}, {"data_dir", ""}, {"eval_steps", nullptr}, {"seed", 3}};
    const auto text = card();
    EXPECT_PRED2(test::contains, text, "````\nmoebert finetune --run_name '```'\n````\n");
    EXPECT_TRUE(text.ends_with("| option | value |\n| --- | --- |\n| label_column_name | a\\|b |\n| seed | 3 |\n"))
        << text;
}

TEST_F(ModelCard, ShowsTheLoadOfFewExpertsAndTheExtremesOfMany) {
    results["expert_load"] = {{0.25, 0.75}};
    EXPECT_PRED2(test::contains, card(),
                 "| layer | expert 0 | expert 1 |\n| --- | ---: | ---: |\n| 0 | 0.250 | 0.750 |");
    std::vector<double> many(16, 0.0625);
    many[3] = 0.1;
    results["expert_load"] = {many};
    EXPECT_PRED2(test::contains, card(), "| layer | least | most |\n| --- | ---: | ---: |\n| 0 | 0.062 | 0.100 |");
}

}  // namespace
}  // namespace moebert
