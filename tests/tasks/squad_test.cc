#include "tasks/squad.h"

#include <fstream>
#include <sstream>

#include "core/random.h"
#include "io/support.h"
#include "tasks/squad_answers.h"
#include "tasks/squad_features.h"
#include "tasks/squad_metrics.h"

namespace moebert {
namespace {

const char* const kSmall = R"({"version": "v2.0", "data": [
  {"title": "A", "paragraphs": [
    {"context": "Zoë Müller wrote it. Müller sang.", "qas": [
      {"id": "1", "question": " Who wrote it?", "answers": [{"text": "Zoë Müller", "answer_start": 0}]},
      {"id": "2", "question": "What did she do?", "is_impossible": false, "answers": [{"text": "sang", "answer_start": 0}]},
      {"id": "3", "question": "Who else?", "answers": [{"text": "Müller", "answer_start": 3}]},
      {"id": "4", "question": "When?", "is_impossible": true, "answers": []}]}]},
  {"title": "B", "paragraphs": [
    {"context": "the end", "qas": [{"id": "5", "question": "What?", "answers": []}]}]}]})";

Tokenizer letters() {
    std::vector<std::string> vocabulary{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (char c = 'a'; c <= 'z'; ++c) vocabulary.emplace_back(1, c);
    return Tokenizer(vocabulary);
}

class Squad : public test::InFolder {
protected:
    QuestionSet read(const std::string& content, const std::string& name = "a.json") const {
        return read_squad(put(name, content));
    }
    void refuse(const std::string& content, const std::string& message, const std::string& name = "a.json") const {
        EXPECT_ERROR(read(content, name), message) << content;
    }
};

TEST_F(Squad, ReadsContextsQuestionsAndAnswersInTheirOrder) {
    const auto set = read(kSmall);
    EXPECT_EQ(set.contexts.size(), 2U);
    ASSERT_EQ(set.questions.size(), 5U);
    EXPECT_TRUE(set.is_labelled);
    EXPECT_EQ(set.questions[0].id, "1");
    EXPECT_EQ(set.questions[0].question, " Who wrote it?");
    EXPECT_EQ(set.questions[4].context, 1U);
    EXPECT_TRUE(set.questions[3].answers.empty());
    EXPECT_EQ(set.questions[0].answers[0].start, 0);
}

TEST_F(Squad, MendsAnswersThatAreElsewhereOnceAndNamesThoseThatAreNot) {
    const auto set = read(kSmall);
    EXPECT_EQ(set.mended, std::vector<std::string>{"2"});
    EXPECT_EQ(set.questions[1].answers[0].start, 28);        // in characters: two of those before it take two bytes
    EXPECT_EQ(set.unplaced, std::vector<std::string>{"3"});  // it is there twice
    EXPECT_EQ(set.questions[2].answers[0].start, Answer::unknown);
}

TEST_F(Squad, ReadsRowsOfBothLayouts) {
    const auto set = read(
        "{\"id\": \"1\", \"question\": \"q\", \"context\": \"a b\", \"answers\": {\"text\": [\"b\"], \"answer_start\": "
        "[2]}}\n{\"id\": \"2\", \"question\": \"q\", \"context\": \"a b\", \"answers\": [{\"text\": \"a\", "
        "\"answer_start\": 0}]}\n",
        "rows.jsonl");
    EXPECT_EQ(set.contexts.size(), 1U);
    EXPECT_EQ(set.questions[0].answers[0].start, 2);
    EXPECT_EQ(set.questions[1].answers[0].text, "a");
}

TEST_F(Squad, TakesRowsUnderDataAsRunQaDoes) {
    const auto set = read(
        R"({"data": [{"id": "1", "question": "q", "context": "a b", "answers": {"text": ["b"], "answer_start": [2]}},
                     {"id": "2", "question": "q", "context": "c", "answers": {"text": [], "answer_start": []}}]})");
    ASSERT_EQ(set.questions.size(), 2U);
    EXPECT_EQ(set.contexts.at(set.questions[1].context), "c");
    refuse(R"({"data": [{"id": "1", "context": "a b"}]})", "data[0].question: is missing");
}

TEST_F(Squad, AByteOrderMarkIsNoContent) {
    EXPECT_EQ(read("\xEF\xBB\xBF" + std::string(kSmall)).questions.size(), 5U);
    EXPECT_EQ(
        read("\xEF\xBB\xBF{\"id\": \"1\", \"question\": \"q\", \"context\": \"c\"}\n", "b.jsonl").questions.size(), 1U);
}

TEST_F(Squad, IsRecognisedByItsFirstKeys) {
    EXPECT_TRUE(is_squad_file(put("a.json", kSmall)));
    EXPECT_TRUE(is_squad_file(put("b.jsonl", R"({"id": "1", "question": "q", "context": "c"})")));
    EXPECT_FALSE(is_squad_file(put("c.json", R"({"sentence1": "data", "label": 1})")));
    EXPECT_FALSE(is_squad_file(put("d.json", R"([{"data": 1}])")));
    EXPECT_FALSE(is_squad_file(put("g.jsonl", R"({"question": "q", "context": "c", "label": "yes"})")));
    EXPECT_FALSE(is_squad_file(put("h.jsonl", R"({"data": "text", "label": "yes"})")));
    EXPECT_TRUE(is_squad_file(put("i.json", R"({"version": [1], "data": [{"paragraphs": [)")));
    EXPECT_FALSE(is_squad_file(put("e.json", "{")));
    EXPECT_FALSE(is_squad_file(put("f.tsv", kSmall)));
    EXPECT_FALSE(is_squad_file(folder / "none.json"));
}

TEST_F(Squad, QuestionsComeALine) {
    std::istringstream in("who\twhere\n\n{\"question\": \"what\", \"context\": \"c\", \"id\": \"x\"}\r\n");
    const auto set = read_question_lines(in);
    ASSERT_EQ(set.questions.size(), 2U);
    EXPECT_EQ(set.questions[0].id, "0");
    EXPECT_EQ(set.questions[1].id, "x");
    EXPECT_FALSE(set.is_labelled);
    std::istringstream numbered("{\"question\": \"what\", \"context\": \"c\", \"id\": 7}\n");
    EXPECT_EQ(read_question_lines(numbered).questions[0].id, "7");
    std::istringstream more(R"({"question": "q", "context": "c", "lang": "de", "answers": null, "rank": 3})");
    EXPECT_EQ(read_question_lines(more).questions[0].columns, R"({"lang":"de","rank":3})");
    std::istringstream broken("a\t\xff\n");
    EXPECT_ERROR(read_question_lines(broken), "standard input: line 1: isn't UTF-8");
}

TEST_F(Squad, NeedsNoAnswers) {
    EXPECT_FALSE(
        read(R"({"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "1", "question": "q"}]}]}]})").is_labelled);
}

TEST_F(Squad, NamesThePathOfWhatIsWrong) {
    const auto paragraph = [](const std::string& text) { return R"({"data": [{"paragraphs": [)" + text + "]}]}"; };
    refuse("[1]", "a.json: data[0]: expected an object");
    refuse("{}", "a.json: data: is missing");
    refuse(R"({"data": 3})", "data: expected a list");
    refuse(R"({"data": [{"title": "x"}]})", "data[0].paragraphs: is missing");
    refuse(R"({"data": [{"paragraphs": []}]})", "has no questions");
    refuse(paragraph(R"({"qas": []})"), "data[0].paragraphs[0].context: is missing");
    refuse(paragraph(R"({"context": " ", "qas": []})"), "data[0].paragraphs[0].context: is empty");
    refuse(paragraph(R"({"context": "c", "qas": {}})"), "data[0].paragraphs[0].qas: expected a list");
    refuse(paragraph(R"({"context": "c", "qas": [{"id": true, "question": "q"}]})"),
           "data[0].paragraphs[0].qas[0].id: expected a text");
    refuse(paragraph(R"({"context": "c", "qas": [{"id": "7", "question": ""}]})"), "qas[0].question: is empty");
    refuse(paragraph(R"({"context": "c", "qas": [{"id": "7", "question": "q"}, {"id": "7", "question": "q"}]})"),
           "data[0].paragraphs[0].qas[1].id: \"7\" is there already");
    refuse(paragraph(R"({"context": "c", "qas": [{"id": "1", "question": "q"},)"
                     R"({"id": "2", "question": "q", "answers": []}]})"),
           "expected all or none");
    refuse("{\"data\": [", "parse error");
    refuse("{\"data\": \"\xff\"}", "UTF-8");
    refuse("{\"id\": \"1\"}\n", "line 1: context: is missing", "a.jsonl");
    refuse("{\"id\": \n", "line 1: not valid JSON: parse error", "a.jsonl");
    refuse("[]\n", "has no questions", "a.jsonl");
    refuse(R"({"id": "a", "id": "b"})", "a.jsonl: line 1: id: the key occurs twice", "a.jsonl");
}

TEST_F(Squad, AnyBytesAreReadOrRefused) {
    const std::string interesting = "\"{}[]:,0-9eE.x\\\x00\xff\xc3";
    RandomEngine engine(7);
    for (int i = 0; i < 2000; ++i) {
        std::string text = kSmall;
        for (auto changes = 1 + uniform_index(engine, 4); changes > 0; --changes) {
            const auto at = uniform_index(engine, text.size());
            if (uniform_index(engine, 3) == 0)
                text.erase(at, 1 + uniform_index(engine, 9));
            else
                text[at] = interesting[uniform_index(engine, interesting.size())];
        }
        try {
            make_windows(read(text, "mutated.json"), {letters(), 12, 2}, {2, i % 2 == 0});
        } catch (const Error&) {
        }
    }
}

// ---- windows

QuestionSet one_question(const std::string& question, const std::string& context, Answer answer) {
    QuestionSet set{"s.json", {context}, {}, true, {}, {}};
    set.questions.push_back({"1", question, 0, {std::move(answer)}});
    return set;
}

TEST(MakeWindows, OverlapByTheStrideAndHoldTheAnswerOrNot) {
    const auto set = one_question("  x y", "a b c d e f", {"d e", 6});
    const TextInput input{letters(), 9, 2};  // four tokens of context a window
    const auto made = make_windows(set, input, {2, true});
    const auto& windows = made.windows;
    ASSERT_EQ(windows.size(), 2U);
    EXPECT_EQ(made.features[0].input_ids, (std::vector<std::int32_t>{2, 28, 29, 3, 5, 6, 7, 8, 3}));
    EXPECT_EQ(made.features[1].input_ids, (std::vector<std::int32_t>{2, 28, 29, 3, 7, 8, 9, 10, 3}));
    EXPECT_EQ(made.features[0].token_type_ids, (std::vector<std::uint8_t>{0, 0, 0, 0, 1, 1, 1, 1, 1}));
    EXPECT_EQ(made.features[0].span, (std::array<std::int32_t, 2>{0, 0}));
    EXPECT_EQ(made.features[1].span, (std::array<std::int32_t, 2>{5, 6}));
    EXPECT_EQ(windows[1].offsets.back(), (std::array<std::uint32_t, 2>{10, 11}));
    EXPECT_EQ(windows[1].context_begin, 4U);
}

TEST(MakeWindows, OneIsEnoughForAContextThatFits) {
    const auto set = one_question("x", "a b c", {"c", 4});
    const auto made = make_windows(set, {letters(), 32, 2}, {8, true});
    ASSERT_EQ(made.windows.size(), 1U);
    EXPECT_EQ(made.features[0].span, (std::array<std::int32_t, 2>{5, 5}));  // the last token of the context
}

TEST(MakeWindows, LeaveOutWhatHasNoPlaceOnlyInTraining) {
    const auto set = one_question("x", "a b c", {"z", Answer::unknown});
    EXPECT_TRUE(make_windows(set, {letters(), 32, 2}, {8, true}).windows.empty());
    EXPECT_EQ(make_windows(set, {letters(), 32, 2}, {8, false}).windows.size(), 1U);
}

TEST(MakeWindows, CutAQuestionThatFillsThem) {
    const auto set = one_question("x x x x x x x x x x x x", "a b c d e f", {"a", 0});
    const auto made = make_windows(set, {letters(), 10, 2}, {2, false});
    for (const auto& feature : made.features) EXPECT_LE(feature.input_ids.size(), 10U);
    EXPECT_EQ(made.windows.front().context_begin, 6U);  // [CLS] x x x x [SEP], and three tokens of context
    EXPECT_EQ(made.windows.size(), 4U);
    EXPECT_THROW(make_windows(set, {letters(), 10, 2}, {6, false}), UsageError);
    EXPECT_NO_THROW(make_windows(set, {letters(), 10, 2}, {5, false}));
    EXPECT_THROW(make_windows(set, {letters(), 4, 2}, {0, false}), UsageError);
    EXPECT_THROW(make_windows(set, {letters(), 10, 1}, {2, false}), InputError);
}

// ---- answers

class ChooseAnswers : public testing::Test {
protected:
    const QuestionSet set = one_question("x", "a b c d", {"b", 2});
    const std::vector<Window> windows = make_windows(set, {letters(), 16, 2}, {4, false}).windows;
    // [CLS] x [SEP] a b c d [SEP]: start and end of each.
    std::vector<float> logits = std::vector<float>(16, -5.0F);
    void put(std::size_t token, float start, float end) { logits[2 * token] = start, logits[2 * token + 1] = end; }
    QuestionAnswer choose(const AnswerOptions& options = {}) const {
        return choose_answers(set, windows, logits, options).at(0);
    }
};

TEST_F(ChooseAnswers, TakeTheBestSpanOfTheContext) {
    put(1, 9, 9);  // the question is no answer
    put(7, 9, 9);  // nor is [SEP]
    put(4, 3, 0);
    put(5, 2, 3);
    const auto answer = choose();
    EXPECT_EQ(answer.chosen.text, "b c");
    EXPECT_EQ(answer.candidates[0].begin, 2);
    EXPECT_EQ(answer.candidates[0].end, 5);
    EXPECT_EQ(answer.candidates[1].text, "c");
    double sum = 0.0;
    for (const auto& candidate : answer.candidates) sum += candidate.probability;
    EXPECT_NEAR(sum, 1.0, 1e-12);
}

TEST_F(ChooseAnswers, KeepToTheLengthLimitAndTheOrderOfStartAndEnd) {
    put(3, 5, 0);
    put(6, 0, 5);
    EXPECT_EQ(choose().chosen.text, "a b c d");
    AnswerOptions options;
    options.max_answer_length = 3;
    EXPECT_NE(choose(options).chosen.text, "a b c d");
    put(6, 9, 0);
    put(3, 0, 9);
    for (const auto& candidate : choose().candidates) EXPECT_LT(candidate.begin, candidate.end);
}

TEST_F(ChooseAnswers, GiveNoneWhereTheNullAnswerIsBetterByTheThreshold) {
    put(0, 4, 4);
    put(4, 3, 3);
    EXPECT_EQ(choose().chosen.text, "b");
    AnswerOptions options;
    options.version_2_with_negative = true;
    EXPECT_EQ(choose(options).chosen.text, "");
    EXPECT_FLOAT_EQ(static_cast<float>(choose(options).null_odds), 2.0F);
    options.null_score_diff_threshold = 2.5;
    EXPECT_EQ(choose(options).chosen.text, "b");
}

TEST_F(ChooseAnswers, RefuseLogitsOfAnotherSize) {
    logits.pop_back();
    EXPECT_THROW(choose(), Error);
    logits.resize(18);
    EXPECT_THROW(choose(), Error);
}

TEST_F(ChooseAnswers, AreWrittenAsLinesWithTheirPlaces) {
    put(4, 3, 3);
    put(5, 2, 2);
    AnswerOptions options;
    options.n_best_size = 2;
    std::ostringstream lines, cells;
    write_answers(lines, PredictionFormat::json_lines, set, {choose(options)}, 2);
    const auto row = nlohmann::json::parse(lines.str());
    EXPECT_EQ(row.at("id"), "1");
    EXPECT_EQ(row.at("answer"), "b");
    EXPECT_EQ(row.at("start"), 2);
    EXPECT_EQ(row.at("end"), 3);
    EXPECT_EQ(row.at("candidates").size(), 2U);
    write_answers(cells, PredictionFormat::tsv, set, {choose(options)}, 2);
    EXPECT_TRUE(cells.str().starts_with("id\trank\tanswer\tscore\tstart\tend\n1\t1\tb\t")) << cells.str();
    EXPECT_THROW(write_answers(cells, PredictionFormat::tsv, set, {}, 0), UsageError);
}

TEST_F(ChooseAnswers, KeepTheOtherColumnsOfTheirRows) {
    put(4, 3, 3);
    AnswerOptions options;
    auto rows = set;
    rows.questions[0].columns = R"({"lang": "de", "rank": 3, "answer": "gold"})";
    std::ostringstream lines;
    write_answers(lines, PredictionFormat::json_lines, rows, {choose(options)});
    const auto row = nlohmann::json::parse(lines.str());
    EXPECT_EQ(row.at("lang"), "de");
    EXPECT_EQ(row.at("rank"), 3);
    EXPECT_EQ(row.at("answer"), "b");
}

TEST_F(ChooseAnswers, AreWrittenWithTheLogitsOfStartAndEnd) {
    put(4, 3, 2.5F);
    AnswerOptions options;
    options.n_best_size = 2;
    std::ostringstream lines, cells;
    write_answers(lines, PredictionFormat::json_lines, set, {choose(options)}, 2, ScoreKind::logits);
    const auto row = nlohmann::json::parse(lines.str());
    EXPECT_EQ(row.at("logits"), (nlohmann::json{3.0, 2.5}));
    EXPECT_FALSE(row.contains("score"));
    EXPECT_EQ(row.at("candidates")[0].at("logits"), (nlohmann::json{3.0, 2.5}));
    write_answers(cells, PredictionFormat::tsv, set, {choose(options)}, 1, ScoreKind::logits);
    EXPECT_TRUE(cells.str().starts_with("id\tanswer\tstart_logit\tend_logit\tstart\tend\n1\tb\t3\t2.5\t"))
        << cells.str();
}

// As in a table's first row: the answer, though another candidate scores more; and a question has one always.
TEST_F(ChooseAnswers, TheChosenOneComesFirst) {
    put(0, 4, 4);
    put(4, 3, 3);
    AnswerOptions options;
    options.version_2_with_negative = true;
    options.null_score_diff_threshold = 100;
    std::ostringstream cells;
    write_answers(cells, PredictionFormat::tsv, set, {choose(options)}, 2);
    const auto rows = cells.str().substr(cells.str().find('\n') + 1);
    EXPECT_TRUE(rows.starts_with("1\t1\tb\t")) << rows;
    EXPECT_PRED2(test::contains, rows, "\n1\t2\t\t");
    EXPECT_EQ(QuestionAnswer{}.best(3).size(), 1U);
}

// ---- metrics

TEST(NormalizeAnswer, DropsCasePunctuationArticlesAndSpaces) {
    const auto words = [](const std::string& text) { return normalize_answer(text); };
    EXPECT_EQ(words("The  U.S. Army, a/the!"), (std::vector<std::string>{"us", "army", "athe"}));
    EXPECT_EQ(words("an—the"), (std::vector<std::string>{"—"}));
    EXPECT_EQ(words("ΟΔΟΣ İ"), (std::vector<std::string>{"οδος", "i̇"}));
    EXPECT_EQ(words("a½ \x1c b"), (std::vector<std::string>{"a½", "b"}));
    EXPECT_TRUE(words("the").empty());
}

TEST(SquadMetrics, CountRepeatedWordsAsOftenAsTheyOccur) {
    EXPECT_DOUBLE_EQ(word_f1({"b", "b", "c"}, {"b", "d"}), 2 * (1.0 / 3) * 0.5 / (1.0 / 3 + 0.5));
    EXPECT_EQ(word_f1({}, {}), 0.0);
}

TEST_F(Squad, VersionTwoScoresPartsAndFindsTheBestThreshold) {
    const auto set = read(kSmall);
    const PredictedAnswers predictions{{"1", "zoë"}, {"2", "sang"}, {"3", ""}, {"4", "never"}, {"5", ""}};
    const NoAnswerOdds odds{{"1", -3.0}, {"2", -2.0}, {"3", 1.0}, {"4", 0.5}, {"5", 2.0}};
    const auto scores = score_squad_v2(set, predictions, &odds);
    EXPECT_DOUBLE_EQ(scores["exact"], 40.0);
    EXPECT_EQ(scores["total"], 5);
    EXPECT_DOUBLE_EQ(scores["HasAns_exact"], 100.0 / 3);
    EXPECT_DOUBLE_EQ(scores["HasAns_f1"], 100.0 * (2.0 / 3 + 1.0) / 3);
    EXPECT_DOUBLE_EQ(scores["NoAns_exact"], 50.0);
    EXPECT_DOUBLE_EQ(scores["best_exact"], 100.0 * 3 / 5);
    EXPECT_DOUBLE_EQ(scores["best_exact_thresh"], -2.0);
    const auto thresholded = score_squad_v2(set, predictions, &odds, 0.0);
    EXPECT_DOUBLE_EQ(thresholded["NoAns_exact"], 100.0);
}

TEST_F(Squad, PredictionsThatAreMissingAreListed) {
    const auto set = read(kSmall);
    std::vector<std::string> missing;
    const auto one = score_squad_v1(set, {{"1", "Zoë Müller"}}, &missing);
    EXPECT_DOUBLE_EQ(one["exact_match"], 20.0);
    EXPECT_EQ(missing, (std::vector<std::string>{"2", "3", "4", "5"}));
    EXPECT_EQ(score_squad_v2(set, {{"1", "Zoë Müller"}})["total"], 1);
    EXPECT_ERROR(score_squad_v2(set, {}), "none of its questions");
}

TEST_F(Squad, FilesOfPredictionsAreChecked) {
    EXPECT_EQ(read_predictions(put("p.json", R"({"a": "x", "b": ""})")).size(), 2U);
    EXPECT_ERROR(read_predictions(put("p.json", R"({"a": 1})")), "p.json: a: expected a text");
    EXPECT_ERROR(read_predictions(put("p.json", R"([1])")), "expected a JSON object");
    EXPECT_ERROR(read_no_answer_odds(put("p.json", R"({"a": "x"})")), "a: expected a number");
    EXPECT_ERROR(read_predictions(put("p.json", R"({"a": ["x"]})")), "p.json: a: expected a text");
    EXPECT_ERROR(read_predictions(put("p.json", R"({"a": "x", "a": "y"})")), "p.json: a: the id occurs twice");
    EXPECT_ERROR(read_no_answer_odds(put("p.json", R"({"a": 1e999})")), "p.json: not valid JSON: number overflow");
}

std::filesystem::path official(const std::string& name) {
    const char* shared = std::getenv("MOEBERT_SHARED");
    return (shared ? std::filesystem::path(shared) : test::source_dir / "../shared") / "data/SQuAD" / name;
}

TEST(OfficialSquad, ScoresThePublishedPredictionsAsTheOfficialScript) {
    const auto folder = official("reference_predictions");
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is missing; set MOEBERT_SHARED";
    const auto set = read_squad(official("dev-v1.1.json"));
    EXPECT_EQ(set.questions.size(), 10570U);
    const auto file = std::filesystem::directory_iterator(folder)->path();
    const auto scores = score_squad_v1(set, read_predictions(file));
    EXPECT_NEAR(scores["exact_match"], 86.20624, 5e-6);
    EXPECT_NEAR(scores["f1"], 92.19558, 5e-6);
}

constexpr const char* kContext = "Goethe was born in Frankfurt. He wrote Faust.";

nlohmann::json question_row(const char* id, const nlohmann::json& answers) {
    return {{"id", id}, {"context", kContext}, {"question", "Who?"}, {"answers", answers}};
}

TEST_F(Squad, MayBeInOtherLayouts) {
    const nlohmann::json answers = {{"text", {"Goethe"}}, {"answer_start", {0}}};
    const auto one = question_row("1", answers), two = question_row("2", answers);
    auto in_paragraph = one;
    in_paragraph.erase("context");
    const nlohmann::json paragraph = {{"context", kContext}, {"qas", {in_paragraph}}};
    for (const auto& [text, size] : std::vector<std::pair<std::string, std::size_t>>{
             {one.dump() + "\n" + two.dump() + "\n", 2},  // lines, whatever the ending says
             {nlohmann::json({one, two}).dump(), 2},
             {nlohmann::json({paragraph}).dump(1), 1},  // of simpletransformers
             {nlohmann::json({{"data", {one, two}}}).dump(), 2},
             {nlohmann::json({{"data", {paragraph}}}).dump(), 1}}) {
        for (const char* name : {"a.json", "a.JSONL", "a.ndjson"}) {
            const auto file = put(name, text);
            EXPECT_TRUE(is_squad_file(file)) << text;
            const auto set = read_squad(file);
            ASSERT_EQ(set.questions.size(), size) << text;
            EXPECT_EQ(set.questions[0].answers[0].start, 0);
        }
    }
}

TEST_F(Squad, OfOtherRowsIsNone) {
    for (const char* text : {R"({"version": "0.1.0", "data": [{"sentence1": "a", "label": 1}]})", R"([{"text": "a"}])",
                             R"([{"question": "a", "context": "b", "label": 1}])", R"({"data": []})", "[]", "{"})
        EXPECT_FALSE(is_squad_file(put("a.json", text))) << text;
}

TEST_F(Squad, MayHaveAnswersWithoutAStart) {
    for (const auto& answers :
         {nlohmann::json({{"text", {"Faust"}}, {"answer_start", {nullptr}}}), nlohmann::json({{"text", {"Faust"}}}),
          nlohmann::json::array({{{"text", "Faust"}}}),
          nlohmann::json::array({{{"text", "Faust"}, {"answer_start", nullptr}}}),
          nlohmann::json::array({{{"text", "Faust"}, {"answer_start", "x"}}}), nlohmann::json({{"text", "Faust"}})}) {
        const auto set = read_squad(put("a.jsonl", question_row("1", answers).dump()));
        EXPECT_EQ(set.questions[0].answers[0].start, 39) << answers;
        EXPECT_EQ(set.mended.size(), 1U);
    }
}

TEST_F(Squad, AnEmptyAnswerIsNone) {
    const nlohmann::json empty = {{"text", {""}}, {"answer_start", {0}}};
    const auto set = read_squad(put("a.jsonl", question_row("1", empty).dump()));
    EXPECT_TRUE(set.is_labelled);
    EXPECT_TRUE(set.questions[0].answers.empty());
}

TEST_F(Squad, QuestionsOfAStreamMayBeADocument) {
    const nlohmann::json row = {{"context", kContext}, {"question", "Who?"}};
    for (const auto& text : {nlohmann::json({row, row}).dump(), nlohmann::json({row, row}).dump(1),
                             nlohmann::json({{"data", {row, row}}}).dump(), row.dump() + "\n" + row.dump(),
                             fmt::format("Who?\t{0}\r\n\nWho?\t{0}", kContext)}) {
        std::istringstream in(text);
        const auto set = read_question_lines(in);
        ASSERT_EQ(set.questions.size(), 2U) << text;
        EXPECT_EQ(set.contexts.at(set.questions[1].context), kContext);
    }
    std::istringstream bad("[1, 2");
    EXPECT_ERROR(read_question_lines(bad), "standard input: line 1: expected question<TAB>context");
}

TEST_F(Squad, RowsWithoutAnIdAreNumbered) {
    nlohmann::json row = {{"context", kContext}, {"question", "Who?"}};
    const auto set = read_squad(put("a.jsonl", row.dump() + "\n" + row.dump()));
    ASSERT_EQ(set.questions.size(), 2U);
    EXPECT_EQ(set.questions[1].id, "1");
}

}  // namespace
}  // namespace moebert
