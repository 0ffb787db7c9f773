#include "tasks/reader.h"

#include "tasks/data_options.h"
#include "tasks/labels.h"

#include <random>
#include <sstream>

#include "io/support.h"

namespace moebert::test {
namespace {

using Names = std::vector<std::string>;

class ReadExamplesTest : public InFolder {
protected:
    // The last one of a file of that name and content.
    std::string warning_of(const std::string& name, const std::string& content) const {
        DataOptions options;
        options.train_file = put(name, content);
        std::string warning;
        Sink sink;
        sink.on_warning = [&](std::string_view text) { warning = text; };
        load_datasets(options, Split::train, std::nullopt, sink);
        return warning;
    }
};

TEST_F(ReadExamplesTest, CsvTsvAndJsonLinesSayTheSame) {
    const auto csv = put("a.csv", "sentence1,sentence2,label\n\"one, \"\"1\"\"\",two,yes\nthree,four,no\n");
    const auto tsv = put("a.tsv", "sentence1\tsentence2\tlabel\none, \"1\"\ttwo\tyes\nthree\tfour\tno\n");
    const auto jsonl = put("a.jsonl", R"({"sentence1": "one, \"1\"", "sentence2": "two", "label": "yes"})"
                                      "\n"
                                      R"({"label": "no", "sentence2": "four", "sentence1": "three"})");
    for (const auto& file : {csv, tsv, jsonl}) {
        const Dataset dataset = read_examples(file);
        ASSERT_EQ(dataset.examples.size(), 2U);
        EXPECT_EQ(dataset.examples[0].sentence1, "one, \"1\"");
        EXPECT_EQ(dataset.examples[1].sentence2, "four");
        EXPECT_EQ(dataset.labels.names, Names({"no", "yes"}));
        EXPECT_EQ(dataset.examples[0].label, 1.0);
    }
}

TEST_F(ReadExamplesTest, ColumnsThatNoNameTellsAreSaidToBeGuessed) {
    EXPECT_EQ(read_examples(put("a.csv", "text,label\na,1\n")).guessed_columns, Names());
    EXPECT_EQ(read_examples(put("a.csv", "Who wrote it ?\nWhere ?\n")).guessed_columns, Names({"Who wrote it ?"}));
    EXPECT_EQ(read_examples(put("a.csv", "premise,claim,label\na,b,1\n")).guessed_columns, Names({"premise", "claim"}));
    EXPECT_TRUE(contains(warning_of("a.tsv", "Who wrote it ?\nWhere ?\n"),
                         "no column is called sentence1; sentences are taken from \"Who wrote it ?\" (the"));
    EXPECT_FALSE(contains(warning_of("a.jsonl", "{\"words\": \"a\"}\n"), "(the")) << "it has no header";
}

TEST_F(ReadExamplesTest, IntegerLabelsAreClassesSortedByValue) {
    const Dataset dataset = read_examples(put("a.csv", "text,label\na,10\nb,9\nc,10\n"));
    EXPECT_EQ(dataset.labels, (Labels{ProblemType::classification, {"9", "10"}}));
    EXPECT_EQ(dataset.examples[0].label, 1.0);
    EXPECT_FALSE(dataset.examples[0].sentence2);
}

TEST_F(ReadExamplesTest, OneFractionMakesAllLabelsValues) {
    const Dataset dataset = read_examples(put("a.csv", "text,label\na,1\nb,2.5\n"));
    EXPECT_EQ(dataset.labels.problem_type, ProblemType::regression);
    EXPECT_EQ(dataset.examples[0].label, 1.0);
    const Dataset json = read_examples(put("a.jsonl", "{\"text\": \"a\", \"label\": 1.0}\n"));
    EXPECT_EQ(json.labels.problem_type, ProblemType::regression);
}

TEST_F(ReadExamplesTest, GivenLabelsDecideWhatTheFilesMean) {
    const auto file = put("a.csv", "text,label\na,1\nb,0\n");
    const Dataset scores = read_examples(file, Labels{ProblemType::regression, {"score"}});
    EXPECT_EQ(scores.examples[0].label, 1.0);
    const Dataset ordered = read_examples(file, Labels{ProblemType::classification, {"1", "0", "2"}});
    EXPECT_EQ(ordered.examples[0].label, 0.0);
    EXPECT_EQ(ordered.labels.names.size(), 3U);
    const Dataset placeholders = read_examples(file, Labels{ProblemType::classification, {"LABEL_0", "LABEL_1"}});
    EXPECT_EQ(placeholders.examples[0].label, 1.0);
}

TEST_F(ReadExamplesTest, ALabelThatIsNotInTheListIsNamedWithItsLine) {
    const auto file = put("a.csv", "text,label\n\"a\nb\",yes\nc,maybe\n");
    EXPECT_ERROR(read_examples(file, Labels{ProblemType::classification, {"no", "yes"}}),
                 "a.csv: line 4: unknown label \"maybe\", expected one of no, yes");
}

TEST_F(ReadExamplesTest, FilesWithoutLabelsAreUnlabelled) {
    for (const auto& file : {put("a.csv", "text\na\n"), put("b.csv", "text,label\na,\nb,\n"),
                             put("c.jsonl", R"({"text":"a","label":null})")}) {
        EXPECT_FALSE(read_examples(file).is_labelled());
    }
    EXPECT_ERROR(read_examples(put("d.csv", "text,label\na,1\nb,\n")), "line 3: the label is empty");
}

TEST_F(ReadExamplesTest, LabelsMayBeAnythingWhereTheyAreIgnored) {
    const Dataset dataset = read_examples(put("a.csv", "text,label\na,1\nb,\n"), {}, LabelUse::ignored);
    EXPECT_FALSE(dataset.is_labelled());
    EXPECT_EQ(dataset.examples[1].sentence1, "b");
}

TEST(OddAmongNumbers, IsTheOneThatMakesClassesOfValues) {
    const auto odd = [](std::vector<std::string> names) { return odd_among_numbers(names); };
    EXPECT_EQ(odd({"0.5", "1.5", "nan"}), "nan");
    EXPECT_EQ(odd({"0.5", "1.5", "2"}), std::nullopt);
    EXPECT_EQ(odd({"0.5", "a", "b"}), std::nullopt);
    EXPECT_EQ(odd({"1", "2", "a"}), std::nullopt);
    EXPECT_EQ(odd({}), std::nullopt);
}

TEST_F(ReadExamplesTest, ColumnsWithOtherNamesAreTakenAsRunGlueDoes) {
    const Dataset pair = read_examples(put("a.csv", "idx,premise,hypothesis,label\n0,p,h,1\n"));
    EXPECT_EQ(pair.examples[0].sentence1, "p");
    EXPECT_EQ(pair.examples[0].sentence2, "h");
    EXPECT_EQ(read_examples(put("b.csv", "label,review\n1,r\n")).examples[0].sentence1, "r");
    const Dataset among_more = read_examples(put("c.csv", "author,date,text,label\nx,y,t,1\n"));
    EXPECT_EQ(among_more.examples[0].sentence1, "t");
    EXPECT_FALSE(among_more.examples[0].sentence2);
    EXPECT_ERROR(read_examples(put("d.csv", "x,y,z\n1,2,3\n")), "x, y, z");
    EXPECT_ERROR(read_examples(put("e.csv", "label\n1\n")), "sentence1");
}

TEST_F(ReadExamplesTest, CsvQuotingFollowsRfc4180) {
    const auto file = put("a.csv", "text,label\r\n\"two\r\nlines\",a\r\nin \"the\" middle,b\r\n\"\",c\r\n");
    const Dataset dataset = read_examples(file);
    ASSERT_EQ(dataset.examples.size(), 3U);
    EXPECT_EQ(dataset.examples[0].sentence1, "two\r\nlines");
    EXPECT_EQ(dataset.examples[1].sentence1, "in \"the\" middle");
    EXPECT_EQ(dataset.examples[2].sentence1, "");
    EXPECT_ERROR(read_examples(put("b.csv", "text,label\n\"open,1\n")), "line 2: a quoted cell begins here");
    EXPECT_ERROR(read_examples(put("c.csv", "text,label\n\"a\"b,1\n")), "line 2: text after a closing quote");
}

TEST_F(ReadExamplesTest, RowsMustBeAsWideAsTheHeader) {
    EXPECT_ERROR(read_examples(put("a.csv", "text,label\na\n")), "a.csv: line 2: too few columns: 1, expected 2");
    EXPECT_ERROR(read_examples(put("a.tsv", "text\tlabel\na\tb\t1\n")), "line 2: too many columns");
    EXPECT_ERROR(read_examples(put("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\"}")),
                 "line 2: the label is empty");
}

// As `datasets` reads them: a key may come later or be missing, and null is as good as none.
TEST_F(ReadExamplesTest, JsonLinesHaveTheKeysOfAllLines) {
    const auto late = read_examples(put("a.jsonl", R"({"sentence1": "a", "label": 0})"
                                                   "\n\n"
                                                   R"({"sentence2": "c", "label": 1, "sentence1": "b", "note": [1]})"
                                                   "\n"
                                                   R"({"sentence1": "d", "sentence2": null, "label": 1})"
                                                   "\n"
                                                   R"({"sentence1": "e", "sentence2": "", "label": 1})"));
    ASSERT_EQ(late.examples.size(), 4U);
    EXPECT_FALSE(late.examples[0].sentence2);
    EXPECT_EQ(late.examples[1].sentence2, "c");
    EXPECT_FALSE(late.examples[2].sentence2);
    EXPECT_EQ(late.examples[3].sentence2, "");
    EXPECT_EQ(late.examples[3].label, 1.0);
    EXPECT_ERROR(read_examples(put("b.jsonl", "{\"text\": \"a\"}\n{\"text\": null}\n")), "line 2: text is missing");
    EXPECT_ERROR(read_examples(put("b.jsonl", "{\"text\": \"a\"}\n{\"note\": 1}\n")), "line 2: text is missing");
}

TEST_F(ReadExamplesTest, AListIsNeitherALabelNorASentence) {
    EXPECT_ERROR(
        read_examples(put("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\", \"label\": [0, 1]}\n")),
        "line 2: label: expected a text or a number, found a list");
    EXPECT_ERROR(read_examples(put("a.jsonl", "{\"text\": [\"a\"], \"label\": 1}\n")), "line 1: text: expected a text");
    EXPECT_EQ(read_examples(put("a.jsonl", "{\"text\": \"a\", \"tokens\": [1]}\n")).examples[0].sentence1, "a");
}

TEST_F(ReadExamplesTest, PairsAreKnownByTheirNamesInAnyOrder) {
    for (const char* header : {"label,hypothesis,premise", "label,sentence,question", "label,text_pair,text"}) {
        const auto dataset = read_examples(put("a.csv", header + std::string("\n1,second,first\n")));
        EXPECT_EQ(dataset.examples[0].sentence1, "first") << header;
        EXPECT_EQ(dataset.examples[0].sentence2, "second") << header;
        EXPECT_EQ(dataset.guessed_columns, Names());
    }
}

TEST_F(ReadExamplesTest, ATextAloneIsNotPairedWithWhatIsNone) {
    for (const char* header : {"label_text,text,label", ",text,label", "labels,text,label", "idx,text,label"}) {
        const auto dataset = read_examples(put("a.csv", header + std::string("\n1,words,0\n")));
        EXPECT_EQ(dataset.examples[0].sentence1, "words") << header;
        EXPECT_FALSE(dataset.examples[0].sentence2) << header;
        EXPECT_EQ(dataset.guessed_columns, Names());
    }
    EXPECT_EQ(read_examples(put("a.csv", "title,text,label\na,b,1\n")).guessed_columns, Names({"text"}));
}

TEST_F(ReadExamplesTest, AModelsClassesMayHaveTheirNumbers) {
    const auto file = put("a.csv", "text,label\na,2\nb,0\n");
    Labels labels{ProblemType::classification, {"neg", "neu", "pos"}};
    EXPECT_ERROR(read_examples(file, labels), "unknown label \"2\"");  // those of a file's names would be chance
    labels.have_numbers = true;
    EXPECT_EQ(read_examples(file, labels).examples[0].label, 2.0);
    labels.names = {"neg", "1", "pos"};
    EXPECT_ERROR(read_examples(file, labels), "unknown label \"2\"");
    labels.names = {"neg", "pos"};
    EXPECT_ERROR(read_examples(file, labels), "line 2: unknown label \"2\", expected one of neg, pos");
}

TEST_F(ReadExamplesTest, ATasksDataMayBeAsDatasetsWritesThem) {
    DataOptions options;
    options.task_name = "mrpc";
    options.train_file = put("a.jsonl", R"({"sentence1": "a", "sentence2": "b", "label": 1, "idx": 0})");
    const auto dataset = load_datasets(options, Split::train, std::nullopt, {}).front();
    EXPECT_EQ(dataset.labels.names, Names({"not_equivalent", "equivalent"}));
    EXPECT_EQ(dataset.examples[0].label, 1.0);
    EXPECT_EQ(dataset.examples[0].sentence2, "b");
}

TEST_F(ReadExamplesTest, MinusOneAmongClassesIsAWarning) {
    EXPECT_TRUE(contains(warning_of("a.csv", "text,label\na,-1\nb,0\nc,1\n"), "a.csv: -1 is taken for a class like 1"));
}

TEST_F(ReadExamplesTest, BadFilesAreErrors) {
    EXPECT_ERROR(read_examples(put("a.csv", "")), "is empty");
    EXPECT_ERROR(read_examples(put("a.csv", "text,label\n")), "no rows");
    EXPECT_ERROR(read_examples(put("a.csv", "text,label\na\xC3,1\n")), "line 2: isn't UTF-8");
    EXPECT_ERROR(read_examples(put("a.jsonl", "[{\"text\": \"a\"}]")), "line 1: expected one JSON object");
    EXPECT_ERROR(read_examples(put("a.jsonl", "{\"text\": \"a\"}\n{\"text\"")), "line 2: expected one JSON object");
    const std::string deep = std::string(1000000, '[') + std::string(1000000, ']');
    EXPECT_ERROR(read_examples(put("a.jsonl", "{\"text\": " + deep + "}")),
                 "line 1: expected one JSON object a line: it is nested too deep");
    EXPECT_ERROR(read_examples(put("a.json", "[{\"text\": \"a\"}]")), "a line: found a list");
    EXPECT_ERROR(read_examples(put("a.json", "{\n\"text\": \"a\"}")),
                 "line 1: expected one JSON object a line: parse error");
    EXPECT_ERROR(read_examples(put("a.json", "{\"text\": NaN}")),
                 "line 1: expected one JSON object a line: parse error");
    EXPECT_ERROR(read_examples(put("a.parquet", "x")), ".parquet");
    EXPECT_ERROR(read_examples(folder / "absent.csv"), "absent.csv");
}

TEST_F(ReadExamplesTest, DamagedFilesGiveErrorsOrExamplesAndNothingElse) {
    std::mt19937 random(8);
    const std::string good = "sentence1,sentence2,label\n\"a, \"\"b\"\"\",c,1\nd,\"e\nf\",0\n";
    std::uniform_int_distribution<std::size_t> place(0, good.size() - 1);
    for (int round = 0; round < 300; ++round) {
        std::string damaged = good;
        for (int i = 0; i < 3; ++i) damaged[place(random)] = "\",\n\r\t{}:\xC3"[place(random) % 9];
        for (const char* name : {"a.csv", "a.tsv", "a.jsonl"}) {
            const auto file = put(name, damaged);
            error_of([&] { EXPECT_FALSE(read_examples(file).examples.empty()); });
        }
    }
}

Dataset lines(const std::string& text) {
    std::istringstream in(text);
    return read_lines(in);
}

TEST(ReadLines, EachLineIsASentenceOrAPair) {
    const Dataset single = lines("one\n\nthree \"x\"");
    ASSERT_EQ(single.examples.size(), 3U);
    EXPECT_EQ(single.examples[1].sentence1, "");
    EXPECT_FALSE(single.is_labelled());
    const Dataset pairs = lines("one\ttwo\r\nthree\t\r\n");
    EXPECT_EQ(pairs.examples[0].sentence2, "two");
    EXPECT_EQ(pairs.examples[1].sentence2, "");
    EXPECT_EQ(lines("\xEF\xBB\xBFone\ntwo\n").examples[0].sentence1, "one");
}

TEST(ReadLines, BadInputIsAnErrorWithItsLine) {
    EXPECT_ERROR(lines(""), "standard input: is empty");
    EXPECT_ERROR(lines("a\tb\nc\n"), "line 2");
    EXPECT_ERROR(lines("a\tb\tc\n"), "line 1");
    EXPECT_ERROR(lines("a\n\xFF\n"), "line 2: isn't UTF-8");
}

TEST(Split, NamesAreThoseOfHuggingFace) {
    for (const Split split : {Split::train, Split::validation, Split::test})
        EXPECT_EQ(parse_split(to_string(split)), split);
    EXPECT_EQ(parse_split("dev"), Split::validation);
    EXPECT_THROW(parse_split("eval"), UsageError);
}

}  // namespace
}  // namespace moebert::test
