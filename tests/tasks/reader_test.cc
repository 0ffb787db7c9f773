#include "tasks/reader.h"

#include "tasks/data_options.h"
#include "tasks/labels.h"

#include <random>
#include <sstream>

#include "io/support.h"

namespace moebert::test {
namespace {

using Names = std::vector<std::string>;
namespace fs = std::filesystem;

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
    EXPECT_ERROR(read_examples(put("a.csv", "premise,claim,label\na,b,1\n")), "can't tell the texts among the columns");
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
}

TEST_F(ReadExamplesTest, WholeNumbersWithAPointAreClassesAndThatIsSaid) {
    const std::string rows = "{\"text\": \"a\", \"label\": 1.0}\n{\"text\": \"b\", \"label\": 0.0}\n";
    EXPECT_EQ(read_examples(put("a.jsonl", rows)).labels, (Labels{ProblemType::classification, {"0", "1"}}));
    EXPECT_TRUE(contains(warning_of("a.jsonl", rows), "problem_type regression"));
    EXPECT_EQ(warning_of("a.jsonl", "{\"text\": \"a\", \"label\": 1.0}\n{\"text\": \"b\", \"label\": 0}\n"), "");
}

TEST_F(ReadExamplesTest, AProblemTypeDecidesWhatLabelsAre) {
    DataOptions options;
    options.problem_type = "regression";
    options.train_file = put("a.csv", "text,label\na,5\nb,3\n");
    const auto load = [&](const std::optional<Labels>& labels) {
        return load_datasets(options, Split::train, labels, {}).front();
    };
    EXPECT_EQ(load({}).labels.problem_type, ProblemType::regression);
    EXPECT_EQ(load({}).examples[0].label, 5.0);
    EXPECT_ERROR(load(Labels{ProblemType::classification, {"3", "5"}}), "problem_type: regression given");
    options.problem_type = "single_label_classification";
    options.train_file = put("b.csv", "text,label\na,0.5\nb,1.5\n");
    EXPECT_EQ(load({}).labels.names, Names({"0.5", "1.5"}));
    options.problem_type = "regression";
    options.train_file = put("c.csv", "text,label\na,5\nb,good\n");
    EXPECT_ERROR(load({}), "c.csv: problem_type regression: the label \"good\" isn't a finite number");
    options.problem_type = "several";
    EXPECT_ERROR(load({}), "problem_type: \"several\" given; expected regression or single_label_classification");
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
    const Dataset dataset = read_examples(put("a.csv", "text,label\na,1\nb,\n"), {}, {LabelUse::ignored});
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

TEST_F(ReadExamplesTest, AnIndexIsNoText) {
    for (const char* header : {"Unnamed: 0,review,label", "review_id,review,label", "__index_level_0__,words,label"}) {
        const auto dataset = read_examples(put("a.csv", header + std::string("\n0,good,1\n1,bad,0\n")));
        EXPECT_EQ(dataset.examples[0].sentence1, "good") << header;
        EXPECT_FALSE(dataset.examples[0].sentence2) << header;
    }
    const auto numbers = read_examples(put("a.csv", "stars,words,label\n3,good,1\n1.5,bad,0\n"));
    EXPECT_EQ(numbers.examples[0].sentence1, "good");
}

TEST_F(ReadExamplesTest, TheUserMayNameTheColumns) {
    const auto file = put("a.csv", "title,words,kind\none,two,x\nthree,four,y\n");
    EXPECT_ERROR(read_examples(file), "can't tell the texts among the columns title, words, kind");
    const auto single = read_examples(file, {}, {.columns = {{"words"}, "kind"}});
    EXPECT_EQ(single.examples[0].sentence1, "two");
    EXPECT_FALSE(single.examples[0].sentence2);
    EXPECT_EQ(single.labels.names, Names({"x", "y"}));
    const auto pair = read_examples(file, {}, {.columns = {{"words", "title"}, ""}});
    EXPECT_EQ(pair.examples[0].sentence2, "one");
    EXPECT_FALSE(pair.is_labelled());
    EXPECT_ERROR(read_examples(file, {}, {.columns = {{"text"}, ""}}),
                 "text_column_names: there is no column \"text\" among title, words, kind");
    EXPECT_ERROR(read_examples(file, {}, {.columns = {{"words"}, "label"}}), "label_column_name: there is no column");
    DataOptions options;
    options.text_column_names = "a,b,c";
    EXPECT_ERROR(column_names(options), "text_column_names: \"a,b,c\" given");
}

TEST_F(ReadExamplesTest, LabelsAreKnownByTheirUsualNames) {
    for (const char* name : {"labels", "target", "Label", "class", "category"}) {
        const auto dataset = read_examples(put("a.csv", fmt::format("text,{}\na,x\nb,y\n", name)));
        EXPECT_EQ(dataset.labels.names, Names({"x", "y"})) << name;
    }
    EXPECT_EQ(warning_of("a.csv", "text,target\na,x\nb,y\n"),
              folder.string() + "/a.csv: labels are taken from \"target\"");
    EXPECT_ERROR(read_examples(put("a.csv", "text,target,class\na,x,1\n")), "can't tell which of target, class");
    EXPECT_ERROR(read_examples(put("a.csv", "text,label,label\na,x,1\n")), "has more than one column \"label\"");
}

TEST_F(ReadExamplesTest, LabelsThatDifferInCaseOrSpaceAloneAreOne) {
    const auto text = "text,label\na,Pos\nb, pos\nc,pos\nd,neg\n";
    const auto dataset = read_examples(put("a.csv", text));
    EXPECT_EQ(dataset.labels.names, Names({"neg", "pos"}));
    EXPECT_EQ(dataset.examples[0].label, 1.0);
    EXPECT_TRUE(contains(warning_of("a.csv", text), "\"Pos\" and \"pos\" are one label, pos"));
    EXPECT_EQ(read_examples(put("b.csv", "text,label\na, 1\nb,1\nc,0\n")).labels.names, Names({"0", "1"}));
    const Labels model{ProblemType::classification, {"NEGATIVE", "POSITIVE"}};
    EXPECT_EQ(read_examples(put("c.csv", "text,label\na,positive\n"), model).examples[0].label, 1.0);
    EXPECT_EQ(read_examples(put("d.csv", "text,label\na,True\nb,False\n")).labels.names, Names({"False", "True"}));
    const Labels truth{ProblemType::classification, {"False", "True"}};
    EXPECT_EQ(read_examples(put("e.jsonl", R"({"text": "a", "label": true})"), truth).examples[0].label, 1.0);
    EXPECT_EQ(read_examples(put("f.csv", "text,label\na,1.0\n"), Labels{ProblemType::classification, {"0", "1"}})
                  .examples[0]
                  .label,
              1.0);
}

TEST_F(ReadExamplesTest, NotANumberIsNoClass) {
    EXPECT_ERROR(read_examples(put("a.csv", "text,label\na,pos\nb,nan\n")), "line 3: the label is \"nan\"");
    EXPECT_ERROR(read_examples(put("a.csv", "text,label\na,0.5\nb,NaN\n")), "line 3: the label is \"NaN\"");
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

TEST_F(ReadExamplesTest, BlankLinesAreNoRows) {
    EXPECT_EQ(read_examples(put("a.csv", "\nsentence1\na\n\nb\r\n\r\n")).examples.size(), 2U);
    EXPECT_EQ(read_examples(put("a.tsv", "sentence1\na\n\nb\n")).examples.size(), 2U);
    EXPECT_ERROR(read_examples(put("a.csv", "text,label\n\na\n")), "line 3: too few columns");
}

TEST_F(ReadExamplesTest, SemicolonsAndTabsAreSeparatorsWhereNoCommaIs) {
    for (const char separator : {';', '\t'}) {
        std::string text = "text;label\n\"a;b, c\t\";x\nd;y\n";
        std::ranges::replace(text, ';', separator);
        const auto dataset = read_examples(put("a.csv", text));
        EXPECT_EQ(dataset.labels.names, Names({"x", "y"}));
        EXPECT_EQ(dataset.examples[0].sentence1.size(), 7U);
        EXPECT_TRUE(contains(warning_of("a.csv", text), "no column ends at a comma"));
    }
}

// pandas quotes the cells of a .tsv file that need it; the official files have bare quotes.
TEST_F(ReadExamplesTest, CellsOfATsvMayBeQuoted) {
    const std::string quoted = "sentence1\tlabel\r\n\"great, \"\"very\"\" good\"\tpos\r\nbad\tneg\r\n";
    EXPECT_EQ(read_examples(put("a.tsv", quoted)).examples[0].sentence1, "great, \"very\" good");
    EXPECT_TRUE(contains(warning_of("a.tsv", quoted), "the quotes are taken off"));
    for (const char* bare : {"\"so\" he said", "\"so\"", "5\"", "\"\"so\"\""})
        EXPECT_EQ(read_examples(put("a.tsv", fmt::format("text\n{}\n\"a \"\"b\"\"\"\n", bare))).examples[0].sentence1,
                  bare);
}

TEST_F(ReadExamplesTest, AJsonDocumentHoldsRowsInSeveralShapes) {
    const std::string row1 = R"({"text": "one", "label": "x"})", row2 = R"({"text": "two", "label": "y"})";
    for (const std::string& text :
         {"[" + row1 + ", " + row2 + "]", "[\n" + row1 + ",\n" + row2 + "\n]\n",
          R"({"version": "0.1.0", "data": [)" + row1 + "," + row2 + "]}", row1 + "\n" + row2 + "\n",
          std::string(R"({"text": ["one", "two"], "label": ["x", "y"]})"),
          std::string("{\n\"text\": {\"0\": \"one\", \"10\": \"two\"},\n\"label\": {\"0\": \"x\", \"10\": \"y\"}}")}) {
        for (const char* name : {"a.json", "a.jsonl", "a.NDJSON"}) {
            const auto dataset = read_examples(put(name, text));
            ASSERT_EQ(dataset.examples.size(), 2U) << text;
            EXPECT_EQ(dataset.examples[0].sentence1, "one") << text;
            EXPECT_EQ(dataset.examples[1].label, 1.0) << text;
        }
    }
    std::string many = R"({"text": {)";
    for (int i = 0; i < 12; ++i) many += fmt::format("{}\"{}\": \"text {}\"", i ? ", " : "", i, i);
    EXPECT_EQ(read_examples(put("a.json", many + "}}")).examples[10].sentence1, "text 10");
    EXPECT_ERROR(read_examples(put("a.json", R"({"text": {"a": "x"}})")), "rows have names (\"a\")");
    EXPECT_ERROR(read_examples(put("a.json", R"([{"text": "a"}, {"text": null}])")), "row 2: text is missing");
    EXPECT_ERROR(read_examples(put("a.json", R"([{"text": "a"}, 1])")), "row 2: expected an object");
    EXPECT_ERROR(read_examples(put("a.json", R"([{"text": "a"})")), "not valid JSON");
}

TEST_F(ReadExamplesTest, RowsWithManyDifferentKeysAreRefused) {
    std::string text;
    for (int i = 0; i < 300; ++i) text += fmt::format("{{\"text\": \"a\", \"key{}\": 1}}\n", i);
    EXPECT_ERROR(read_examples(put("a.jsonl", text)), "line 256: \"key255\" is the 257th different key");
}

TEST_F(ReadExamplesTest, GzipFilesAreKnownByTheirBytes) {
    const std::string rows = "text,label\na,x\nb,y\n";
    const auto plain = put("a.csv", rows);
    ASSERT_EQ(std::system(fmt::format("gzip -k '{}'", plain.string()).c_str()), 0);
    EXPECT_EQ(read_examples(plain.string() + ".gz").labels.names, Names({"x", "y"}));
    fs::rename(plain.string() + ".gz", folder / "b.csv");
    EXPECT_EQ(read_examples(folder / "b.csv").labels.names, Names({"x", "y"}));
    const auto bytes = slurp(folder / "b.csv");
    EXPECT_EQ(read_examples(put("two.csv.gz", bytes + bytes)).examples.size(), 5U);  // members follow each other
    EXPECT_ERROR(read_examples(put("c.csv.gz", bytes.substr(0, bytes.size() - 6))), "c.csv.gz: is cut short");
    EXPECT_ERROR(
        read_examples(put("d.csv.gz", bytes.substr(0, 20) + "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF" + bytes.substr(28))),
        "d.csv.gz: is damaged");
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

TEST_F(ReadExamplesTest, AListOfOneLabelIsThatLabel) {
    const auto dataset =
        read_examples(put("a.jsonl", "{\"text\": \"a\", \"label\": [\"x\"]}\n{\"text\": \"b\", \"label\": \"y\"}\n"));
    EXPECT_EQ(dataset.labels.names, Names({"x", "y"}));
    EXPECT_ERROR(
        read_examples(put("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\", \"label\": [0, 1]}\n")),
        "line 2: label: expected one label, found a list of 2");
    EXPECT_ERROR(read_examples(put("a.jsonl", "{\"text\": \"a\", \"label\": {\"x\": 1}}\n")), "found an object");
}

TEST_F(ReadExamplesTest, AListIsNoText) {
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
    for (const char* header :
         {"label_text,text,label", ",text,label", "labels,text,label", "idx,text,label", "ID,Text,Label"}) {
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
    EXPECT_ERROR(read_examples(put("a.jsonl", "{\"text\": \"a\"}\n{\"text\"")), "line 2: expected one JSON object");
    const std::string deep = std::string(1000000, '[') + std::string(1000000, ']');
    EXPECT_ERROR(read_examples(put("a.jsonl", "{\"text\": " + deep + "}")), "nests deeper than 64 levels");
    EXPECT_EQ(read_examples(put("a.json", "{\n\"text\": \"a\"}")).examples.size(), 1U);
    EXPECT_ERROR(read_examples(put("a.json", "{\"text\": NaN}")),
                 "line 1: expected one JSON object a line: not valid JSON: parse error");
    EXPECT_ERROR(read_examples(put("a.jsonl", "{\"text\": \"a\", \"label\": 0}\n{\"label\": 0, \"label\": 1}\n")),
                 "line 2: expected one JSON object a line: label: the key occurs twice in one object");
    EXPECT_ERROR(read_examples(put("a.json", R"([{"text": "a", "label": 0, "label": 1}])")),
                 "a.json: label: the key occurs twice in one object");
    std::string sparse;
    for (int i = 0; i < 2000; ++i) sparse += fmt::format("{{\"text\": \"a\", \"k{}\": 1}}\n", i % 200);
    EXPECT_ERROR(read_examples(put("a.jsonl", sparse)), "different keys, of which each has few");
    EXPECT_ERROR(read_examples(put("a.parquet", "x")), "Parquet files are not read; in Python, pandas.read_parquet");
    EXPECT_ERROR(read_examples(put("a.csv", "\xFF\xFEt\0")), "is UTF-16; expected UTF-8");
    EXPECT_ERROR(read_examples(put("a.tsv", "text,label\na,1\n")),
                 "are the columns separated by commas? Expected tabs");
    EXPECT_ERROR(read_examples(put("a.csv", "text|label\na|1\n")),
                 "are the columns separated by bars? Expected commas");
    EXPECT_ERROR(read_examples(put("a.docx", "x")), "has the ending \".docx\", expected .csv");
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

TEST(ReadLines, LinesOfJsonHaveColumns) {
    const auto dataset = lines("{\"sentence1\": \"a\", \"sentence2\": \"b\", \"label\": 3}\n{\"sentence1\": \"c\"}\n");
    ASSERT_EQ(dataset.examples.size(), 2U);
    EXPECT_EQ(dataset.examples[0].sentence2, "b");
    EXPECT_EQ(dataset.examples[1].sentence1, "c");
    EXPECT_FALSE(dataset.is_labelled());
    EXPECT_EQ(lines("{curly} text\n").examples[0].sentence1, "{curly} text");
    for (const char* document :
         {"[{\"text\": \"a\"}, {\"text\": \"b\"}]\n", "[\n{\"text\": \"a\"},\n{\"text\": \"b\"}\n]",
          "{\n\"data\": [{\"text\": \"a\"}, {\"text\": \"b\"}]}"})
        EXPECT_EQ(lines(document).examples.size(), 2U) << document;
    EXPECT_EQ(lines("[1] note\n[\n").examples[1].sentence1, "[");
    EXPECT_ERROR(lines("{\"text\": \"a\"}\nb\n"), "standard input: line 2: expected one JSON object");
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
