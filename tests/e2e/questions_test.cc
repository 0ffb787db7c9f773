// Question answering, as a user runs it: from fine-tuning to answers.
#include "bad_input.h"

namespace moebert {
namespace {

using test::Arguments;
using test::json_lines;
using test::lines_of;
using test::operator+;

class QuestionAnswering : public test::Program {
protected:
    const Arguments quick{"--max_seq_length", "24", "--doc_stride", "6", "--num_threads", "2"};

    // Contexts of up to 40 words, which take several windows of 24. The answer is the word w7 and the one after it,
    // which can be learnt; a context without w7 answers nothing.
    std::string put_questions(const std::string& name, int count, bool version_2 = false) const {
        auto paragraphs = nlohmann::json::array();
        for (int i = 0; i < count; ++i) {
            const int words = 8 + 7 * i % 33, at = 5 * i % (words - 1);
            const bool has_answer = !version_2 || i % 3 != 0;
            std::string context;
            std::size_t start = 0;
            for (int j = 0; j < words; ++j) {
                if (j > 0) context += ' ';
                if (j == at) start = context.size();
                context += j == at && has_answer ? "w7" : fmt::format("w{}", 10 + (11 * i + 13 * j) % 80);
            }
            auto answers = nlohmann::json::array();
            if (has_answer) {
                const auto end = context.find(' ', context.find(' ', start) + 1);
                answers.push_back({{"text", context.substr(start, end - start)}, {"answer_start", start}});
            }
            const nlohmann::json question{{"id", fmt::format("q{}", i)}, {"question", "w3 w4"}, {"answers", answers}};
            paragraphs.push_back({{"context", context}, {"qas", {question}}});
        }
        const nlohmann::json all{{"data", {{{"title", "t"}, {"paragraphs", paragraphs}}}}};
        return put(name, all.dump()).string();
    }

    void put_data(bool version_2 = false) const {
        put_questions("train.json", 60, version_2);
        put_questions("dev.json", 20, version_2);
    }
    Arguments data() const { return {"--train_file", path("train.json"), "--validation_file", path("dev.json")}; }
    Arguments scores(const std::string& model, const std::string& out, const Arguments& more = {}) const {
        return Arguments{"evaluate",       "--model_name_or_path", path(model), "--validation_file",
                         path("dev.json"), "--output_dir",         path(out)} +
               quick + more;
    }
    // What the official script says of the files that evaluating left.
    nlohmann::json official(const std::string& task, const std::string& out) const {
        Arguments command{"evaluate",
                          "--task_name",
                          task,
                          "--validation_file",
                          path("dev.json"),
                          "--predictions",
                          path(out + "/eval_predictions.json")};
        if (task == "squad_v2") command = command + Arguments{"--null_odds", path(out + "/eval_null_odds.json")};
        return succeed(command).json();
    }
    void fine_tune(const Arguments& more = {}) const {
        const auto outcome =
            succeed(Arguments{"finetune", "--model_name_or_path", put_model("qa"), "--output_dir", path("teacher"),
                              "--learning_rate", "2e-3", "--num_train_epochs", "8", "--seed", "1"} +
                    data() + quick + more);
        EXPECT_EQ(warnings(outcome), std::vector<std::string>{});
    }
};

TEST_F(QuestionAnswering, EveryStepTakesWhatTheOneBeforeItLeft) {
    put_data();
    fine_tune();
    const auto teacher = read_json("teacher/eval_results.json");
    EXPECT_GE(teacher.at("eval_f1").get<double>(), 80.0) << "it can be learnt";
    EXPECT_EQ(teacher.at("eval_samples"), 20);
    EXPECT_FALSE(teacher.contains("eval_loss"));
    succeed(Arguments{"importance", "--model_name_or_path", path("teacher"), "--output_dir", path("scores")} + data() +
            quick);
    succeed(Arguments{"hash-balance", "--model_name_or_path", path("teacher"), "--output_dir", path("scores")} +
            data() + Arguments{"--max_seq_length", "24", "--doc_stride", "6"});
    const Arguments experts{"--num_experts", "4",  "--expert_size",     "28",
                            "--shared_size", "16", "--importance_file", path("scores/importance.safetensors")};
    succeed(Arguments{"split", "--model_name_or_path", path("teacher"), "--output_dir", path("moe")} + experts);
    EXPECT_TRUE(succeed(scores("moe", "moe_scores")).json().contains("eval_exact_match"));
    for (const char* method : {"hash-random", "hash-balance", "gate-token", "gate-sentence"}) {
        SCOPED_TRACE(method);
        Arguments routing{"--route_method", method};
        if (method == std::string("hash-balance"))
            routing = routing + Arguments{"--hash_list", path("scores/hash_list.pkl")};
        const auto result =
            succeed(Arguments{"distill", "--model_name_or_path", path("teacher"), "--output_dir", path(method),
                              "--learning_rate", "2e-3", "--num_train_epochs", "4", "--overwrite_output_dir"} +
                    data() + quick + experts + routing)
                .json();
        EXPECT_EQ(result.at("teacher_f1"), teacher.at("eval_f1"));
        EXPECT_GE(result.at("eval_f1").get<double>(), 0.8 * teacher.at("eval_f1").get<double>());
        EXPECT_EQ(succeed(scores(method, "again")).json().at("eval_f1"), result.at("eval_f1"));
    }
}

TEST_F(QuestionAnswering, ScoresAreTheOfficialOnesOfTheFilesLeft) {
    put_data();
    put_model("qa", "teacher");
    const auto found = succeed(scores("teacher", "out")).json();
    const auto expected = official("squad", "out");
    EXPECT_EQ(found.at("eval_f1"), expected.at("f1"));
    EXPECT_EQ(found.at("eval_exact_match"), expected.at("exact_match"));
    EXPECT_EQ(read_json("out/eval_nbest_predictions.json").size(), 20U);
    EXPECT_FALSE(exists("out/eval_null_odds.json"));
}

TEST_F(QuestionAnswering, VersionTwoFindsTheThresholdThatTheOfficialScriptFinds) {
    put_data(true);
    put_model("qa", "teacher");
    const Arguments v2{"--task_name", "squad_v2"};
    const auto found = succeed(scores("teacher", "out", v2)).json();
    const auto expected = official("squad_v2", "out");
    for (const char* name : {"exact", "f1", "HasAns_f1", "NoAns_f1", "total"})
        EXPECT_EQ(found.at(fmt::format("eval_{}", name)).get<double>(), expected.at(name).get<double>()) << name;
    // Without a threshold the files hold every question's best answer.
    const auto open = succeed(scores("teacher", "open", v2 + Arguments{"--null_score_diff_threshold", "1e9"})).json();
    const auto best = official("squad_v2", "open");
    for (const char* name : {"best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"}) {
        EXPECT_EQ(open.at(fmt::format("eval_{}", name)).get<double>(), best.at(name).get<double>()) << name;
        EXPECT_EQ(found.at(fmt::format("eval_{}", name)), open.at(fmt::format("eval_{}", name))) << name;
    }
    const auto shut = Arguments{"--version_2_with_negative", "--null_score_diff_threshold", "-1e9"};
    succeed(scores("teacher", "shut", shut));
    const auto answers = read_json("shut/eval_predictions.json");
    for (const auto& [id, answer] : answers.items()) EXPECT_EQ(answer, "") << id;
}

TEST_F(QuestionAnswering, TrainsOnQuestionsWithoutAnswers) {
    put_data(true);
    fine_tune({"--task_name", "squad_v2", "--evaluation_strategy", "epoch", "--load_best_model_at_end"});
    const auto found = read_json("teacher/eval_results.json");
    EXPECT_GE(found.at("eval_best_f1").get<double>(), 70.0);
    EXPECT_TRUE(exists("teacher/eval_null_odds.json"));
    const auto evaluated = succeed(scores("teacher", "plain", {"--task_name", "squad_v2"})).json();
    EXPECT_EQ(evaluated.at("eval_best_f1"), found.at("eval_best_f1"));
    EXPECT_EQ(succeed(scores("teacher", "untold")).json().at("eval_best_f1"), found.at("eval_best_f1"));
    EXPECT_TRUE(succeed(scores("teacher", "told", {"--task_name", "squad"})).json().contains("eval_exact_match"));
    const auto threshold = fmt::format("{}", evaluated.at("eval_best_f1_thresh").get<double>());
    const auto tuned =
        succeed(scores("teacher", "tuned", {"--task_name", "squad_v2", "--null_score_diff_threshold", threshold}));
    EXPECT_NEAR(tuned.json().at("eval_f1").get<double>(), found.at("eval_best_f1").get<double>(), 1e-9);
}

TEST_F(QuestionAnswering, ReadsTheOfficialFilesOfAFolder) {
    std::filesystem::create_directories(folder / "SQuAD");
    put_questions("SQuAD/dev-v1.1.json", 4);
    put_questions("SQuAD/dev-v2.0.json", 5, true);
    put_model("qa");
    for (const auto& [task, count] : {std::pair{"squad", 4}, {"squad_v2", 5}}) {
        const auto found = succeed(Arguments{"evaluate", "--model_name_or_path", path("model"), "--task_name", task,
                                             "--data_dir", folder.string(), "--output_dir", path("out")} +
                                   quick);
        EXPECT_EQ(found.json().at("eval_samples"), count);
    }
}

// ---- predict

class AnswerQuestions : public QuestionAnswering {
protected:
    AnswerQuestions() { put_model("qa"); }
    Arguments predict(const Arguments& more = {}) const {
        return Arguments{"predict", "--model_name_or_path", path("model")} + quick + more;
    }
    const std::string context =
        "w10 w11 Zoë w12 w13 w7 w14 w15 w16 w17 w18 w19 w20 w21 w22 w23 w24 w25 w26 w27 w28 w29";
};

TEST_F(AnswerQuestions, GiveTheSameForEveryWayToAsk) {
    const auto expected = succeed(predict({"--question", "w3 w4", "--context", context})).out;
    const auto row = json_lines(expected).at(0);
    EXPECT_EQ(row.at("id"), "0");
    EXPECT_GT(row.at("score").get<double>(), 0.0);
    EXPECT_EQ(succeed(predict(), "w3 w4\t" + context + "\n").out, expected);
    const nlohmann::json question{{"question", "w3 w4"}, {"context", context}};
    EXPECT_EQ(succeed(predict(), question.dump() + "\n").out, expected);
    EXPECT_EQ(succeed(predict(), "\xEF\xBB\xBF" + question.dump() + "\n").out, expected);
    put("lines.tsv", "w3 w4\t" + context + "\n");
    EXPECT_EQ(succeed(predict({"--test_file", path("lines.tsv")})).out, expected);
    auto with_id = question;
    with_id["id"] = "0";
    put("rows.jsonl", with_id.dump() + "\n");
    EXPECT_EQ(succeed(predict({"--test_file", path("rows.jsonl")})).out, expected);
    put("rows.json", nlohmann::json{{"data", {with_id}}}.dump());
    EXPECT_EQ(succeed(predict({"--test_file", path("rows.json")})).out, expected);
}

TEST_F(AnswerQuestions, StartAndEndAreCharactersOfTheContext) {
    // The letters before the answer take two bytes.
    const auto rows = json_lines(succeed(predict({"--question", "w3", "--context", context, "--top_k", "5"})).out);
    const auto& candidates = rows.at(0).at("candidates");
    ASSERT_EQ(candidates.size(), 5U);
    EXPECT_EQ(candidates[0].at("answer"), rows[0].at("answer"));
    for (const auto& candidate : candidates) {
        const auto start = candidate.at("start").get<std::int64_t>(), end = candidate.at("end").get<std::int64_t>();
        const auto from = start > 10 ? start + 1 : start, to = end > 10 ? end + 1 : end;  // bytes
        EXPECT_EQ(candidate.at("answer"),
                  context.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
    }
}

TEST_F(AnswerQuestions, NeedNoAnswersAndFilesAreLeftAsRunQaLeavesThem) {
    put("test.json", R"({"data": [{"paragraphs": [{"context": "w1 w2", "qas": [{"id": "a", "question": "w3"}]}]}]})");
    succeed(
        predict({"--test_file", path("test.json"), "--output_dir", path("out"), "--output_file", path("out.jsonl")}));
    EXPECT_TRUE(read_json("out/predict_predictions.json").contains("a"));
    EXPECT_TRUE(read_json("out/predict_nbest_predictions.json").contains("a"));
    EXPECT_EQ(json_lines(test::slurp(folder / "out.jsonl")).at(0).at("id"), "a");
    const auto lines = lines_of(succeed(predict({"--test_file", path("test.json"), "--output_format", "tsv"})).out);
    EXPECT_EQ(lines.at(0), "id\tanswer\tscore\tstart\tend");
    EXPECT_TRUE(lines.at(1).starts_with("a\tw"));
}

TEST_F(AnswerQuestions, DoNotDependOnBatchSizeOrThreads) {
    put_questions("test.json", 30);
    const auto answers = [&](const char* batch, const char* threads) {
        return json_lines(succeed(predict({"--test_file", path("test.json"), "--per_device_eval_batch_size", batch,
                                           "--num_threads", threads}))
                              .out);
    };
    const auto expected = answers("1", "1");
    for (const auto& [batch, threads] : {std::pair{"7", "1"}, {"64", "2"}}) {
        const auto found = answers(batch, threads);
        ASSERT_EQ(found.size(), 30U);
        for (std::size_t i = 0; i < found.size(); ++i) {
            EXPECT_EQ(found[i].at("answer"), expected[i].at("answer"));
            EXPECT_NEAR(found[i].at("score").get<double>(), expected[i].at("score").get<double>(), 1e-5);
        }
    }
}

TEST_F(QuestionAnswering, TokenizePrintsWindowsWithoutAModel) {
    std::filesystem::create_directories(folder / "words");
    put("words/vocab.txt", vocabulary());
    put_questions("dev.json", 6);
    const Arguments command{
        "tokenize", "--model_name_or_path", path("words"), "--task_name",       "squad",         "--max_seq_length",
        "24",       "--doc_stride",         "6",           "--validation_file", path("dev.json")};
    const auto rows = json_lines(succeed(command).out);
    EXPECT_GT(rows.size(), 6U);
    for (const auto& row : rows) {
        const auto size = row.at("input_ids").size();
        EXPECT_LE(size, 24U);
        EXPECT_EQ(row.at("token_type_ids").size(), size);
        ASSERT_EQ(row.at("offsets").size(), size);
        for (std::size_t t : {std::size_t{0}, std::size_t{1}, std::size_t{3}, size - 1})
            EXPECT_TRUE(row.at("offsets")[t].is_null()) << t;
        EXPECT_TRUE(row.at("offsets")[4].is_array());
        EXPECT_LE(row.at("start_position"), row.at("end_position"));
    }
}

// ---- bad input

class BadQuestions : public QuestionAnswering {
protected:
    BadQuestions() {
        put_model("qa");
        put_data();
    }
    Arguments finetune(const Arguments& more = {}) const {
        return Arguments{"finetune", "--model_name_or_path", path("model"), "--output_dir", path("out"), "--max_steps",
                         "2"} +
               data() + quick + more;
    }
    Arguments evaluate(const Arguments& more = {}) const { return scores("model", "out", more); }
    void refuse_file(const std::string& content, const std::vector<std::string>& parts) const {
        const auto file = put("bad.json", content).string();
        std::vector<std::string> all{file};
        all.insert(all.end(), parts.begin(), parts.end());
        refuse(test::kFailed, evaluate({"--validation_file", file}), all);
        refuse(test::kFailed, finetune({"--task_name", "squad", "--train_file", file}), all);
    }
};

TEST_F(BadQuestions, AFileThatIsNotSquadsIsNamedWithTheKey) {
    refuse_file("{", {"parse error"});
    refuse_file("{}", {"data", "is missing"});
    refuse_file(R"({"data": [{"title": "x"}]})", {"data[0].paragraphs", "is missing"});
    refuse_file(R"({"data": []})", {"no questions"});
    refuse_file("{\"data\": \"\xff\"}", {"UTF-8"});
    put("rows.csv", "a,b\n1,2\n");
    refuse(test::kFailed, evaluate({"--validation_file", path("rows.csv")}), {path("rows.csv"), "SQuAD"});
    refuse(test::kFailed, evaluate({"--validation_file", path("none.json")}), {path("none.json")});
}

TEST_F(BadQuestions, ATaskOfAnotherKindThanTheModelIsNamed) {
    refuse(test::kUsage, evaluate({"--task_name", "rte"}), {"rte", "question answering"});
    put_model("cls3", "classifier");
    refuse(test::kUsage, scores("classifier", "out", {"--task_name", "squad"}), {"squad", "classification"});
    refuse(test::kUsage, {"predict", "--model_name_or_path", path("classifier"), "--question", "q", "--context", "c"},
           {"--question", "classification"});
}

TEST_F(BadQuestions, OptionsOutOfRangeAreNamedWithTheirValue) {
    refuse(test::kUsage, evaluate({"--doc_stride", "24"}), {"doc_stride", "24", "19"});
    refuse(test::kUsage, evaluate({"--doc_stride", "-1"}), {"doc_stride", "-1"});
    refuse(test::kUsage, evaluate({"--n_best_size", "0"}), {"n_best_size", "0"});
    refuse(test::kUsage, finetune({"--max_answer_length", "0"}), {"max_answer_length", "0"});
    refuse(test::kUsage, evaluate({"--max_seq_length", "64"}), {"max_seq_length", "64", "40"});
    refuse(test::kUsage, finetune({"--evaluation_strategy", "epoch", "--metric_for_best_model", "loss"}),
           {"loss", "f1"});
    refuse(test::kUsage, {"predict", "--model_name_or_path", path("model"), "--question", "w1", "--context", " "},
           {"context", "is empty"});
    refuse(test::kUsage, {"predict", "--model_name_or_path", path("model"), "--top_k", "0"}, {"top_k", "0"});
}

TEST_F(BadQuestions, ALineWithoutAContextIsNamed) {
    const Arguments predict{"predict", "--model_name_or_path", path("model")};
    refuse(test::kFailed, predict, {"line 2", "question<TAB>context"}, "w1\tw2\nw3\n");
    refuse(test::kFailed, predict, {"line 1", "context"}, "{\"question\": \"w1\"}\n");
    refuse(test::kFailed, predict, {"no questions"}, "");
}

TEST_F(BadQuestions, DataWithoutAnswersCantBeScored) {
    put("plain.json", R"({"data": [{"paragraphs": [{"context": "w1", "qas": [{"id": "a", "question": "w3"}]}]}]})");
    refuse(test::kFailed, evaluate({"--validation_file", path("plain.json")}), {path("plain.json"), "no labels"});
    refuse(test::kFailed, finetune({"--train_file", path("plain.json")}), {path("plain.json"), "no labels"});
}

TEST_F(BadQuestions, AnswersThatAreElsewhereAreReported) {
    put("odd.json", R"({"data": [{"paragraphs": [{"context": "w1 w2 w3 w2", "qas": [
        {"id": "a", "question": "w3", "answers": [{"text": "w3", "answer_start": 0}]},
        {"id": "b", "question": "w3", "answers": [{"text": "w2", "answer_start": 0}]},
        {"id": "c", "question": "w3", "answers": [{"text": "w3", "answer_start": 6}]}]}]}]})");
    const auto outcome = succeed(finetune({"--train_file", path("odd.json")}));
    ASSERT_EQ(warnings(outcome).size(), 2U) << outcome.err;
    EXPECT_PRED2(test::contains, warnings(outcome)[0], "1 answers are not at their answer_start");
    EXPECT_PRED2(test::contains, warnings(outcome)[1], "left out of training (the first: b)");
    EXPECT_PRED2(test::contains, outcome.err, "training: 2 sentences");
}

TEST_F(BadQuestions, FilesOfPredictionsAreCheckedAndMissingOnesListed) {
    const Arguments command{"evaluate", "--task_name", "squad", "--validation_file", path("dev.json"), "--predictions"};
    put("some.json", R"({"q0": "w7", "other": "x"})");
    const auto outcome = succeed(command + Arguments{path("some.json")});
    EXPECT_EQ(warnings(outcome).size(), 19U);
    EXPECT_PRED2(test::contains, warnings(outcome)[0], "q1");
    EXPECT_LT(outcome.json().at("f1").get<double>(), 5.1);
    put("bad.json", R"(["w7"])");
    refuse(test::kFailed, command + Arguments{path("bad.json")}, {path("bad.json"), "JSON object"});
    put("bad.json", R"({"q0": 3})");
    refuse(test::kFailed, command + Arguments{path("bad.json")}, {path("bad.json"), "q0", "text"});
    refuse(test::kUsage, command + Arguments{path("some.json"), "--null_odds", path("some.json")}, {"null_odds"});
    refuse(test::kUsage, {"evaluate", "--validation_file", path("dev.json")}, {"--model_name_or_path"});
}

}  // namespace
}  // namespace moebert
