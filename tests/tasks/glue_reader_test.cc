#include <cstdlib>

#include "io/support.h"
#include "tasks/reader.h"

namespace moebert::test {
namespace {

class GlueReaderTest : public InFolder {};

TEST_F(GlueReaderTest, ABareQuoteIsText) {
    const Dataset dataset = read_glue_file(find_task("rte"), put("dev.tsv",
                                                                 "index\tsentence1\tsentence2\tlabel\n"
                                                                 "0\t\"one\ttwo\" x\tentailment\n"));
    ASSERT_EQ(dataset.examples.size(), 1U);
    EXPECT_EQ(dataset.examples[0].sentence1, "\"one");
    EXPECT_EQ(dataset.examples[0].sentence2, "two\" x");
    EXPECT_EQ(dataset.examples[0].label, 0.0);
}

TEST_F(GlueReaderTest, ByteOrderMarkAndCarriageReturnsAreNoText) {
    const auto file =
        put("train.tsv", "\xEF\xBB\xBFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t10\t20\tone\ttwo\r\n");
    const Dataset dataset = read_glue_file(find_task("mrpc"), file);
    EXPECT_EQ(dataset.examples[0].sentence2, "two");
    EXPECT_EQ(dataset.examples[0].label, 1.0);
}

TEST_F(GlueReaderTest, ColaHasAHeaderOnlyInItsTestFile) {
    const Dataset train =
        read_glue_file(find_task("cola"), put("train.tsv", "gj04\t1\t\tGood.\ngj04\t0\t*\tBad this.\n"));
    ASSERT_EQ(train.examples.size(), 2U);
    EXPECT_EQ(train.examples[1].sentence1, "Bad this.");
    EXPECT_EQ(train.examples[1].label, 0.0);
    const Dataset test = read_glue_file(find_task("cola"), put("test.tsv", "index\tsentence\n0\tGood.\n"));
    ASSERT_EQ(test.examples.size(), 1U);
    EXPECT_FALSE(test.is_labelled());
}

TEST_F(GlueReaderTest, ScoresOfStsbAreNumbers) {
    const auto file = put("dev.tsv", "index\tsentence1\tsentence2\tscore\n0\ta\tb\t3.25\n");
    const Dataset dataset = read_glue_file(find_task("stsb"), file);
    EXPECT_EQ(dataset.labels.problem_type, ProblemType::regression);
    EXPECT_EQ(dataset.examples[0].label, 3.25);
    EXPECT_ERROR(read_glue_file(find_task("stsb"), put("a.tsv", "sentence1\tsentence2\tscore\na\tb\tnan\n")), "line 2");
}

TEST_F(GlueReaderTest, AShortRowIsAnErrorButForQqpWhichSkipsAndCountsIt) {
    const auto rte = put("rte.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\ta\tb\n");
    EXPECT_ERROR(read_glue_file(find_task("rte"), rte), "rte.tsv: line 3: too few columns: 3, expected 4");
    const auto qqp =
        put("qqp.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\ta\tb\t1\n1\t2\tbroken\n");
    const Dataset dataset = read_glue_file(find_task("qqp"), qqp);
    EXPECT_EQ(dataset.examples.size(), 1U);
    EXPECT_EQ(dataset.skipped_rows, 1U);
}

TEST_F(GlueReaderTest, ARowWithTooManyColumnsIsAnError) {
    const auto file = put("dev.tsv", "sentence\tlabel\na\tb\t1\n");
    EXPECT_ERROR(read_glue_file(find_task("sst2"), file), "line 2: too many columns");
}

TEST_F(GlueReaderTest, AnUnknownLabelIsNamedWithTheKnownOnes) {
    const auto file = put("dev.tsv", "sentence\tlabel\na\t0\nb\t2\n");
    EXPECT_ERROR(read_glue_file(find_task("sst2"), file), "dev.tsv: line 3: unknown label \"2\", expected one of 0, 1");
}

TEST_F(GlueReaderTest, AMissingColumnIsNamed) {
    EXPECT_ERROR(read_glue_file(find_task("qnli"), put("dev.tsv", "index\tsentence\tlabel\n0\ta\tentailment\n")),
                 "question");
}

TEST_F(GlueReaderTest, EmptyAndMalformedFilesAreErrors) {
    for (const char* content : {"", "\n\n", "\xEF\xBB\xBF", "  \r\n"}) {
        EXPECT_ERROR(read_glue_file(find_task("sst2"), put("dev.tsv", content)), "is empty");
    }
    EXPECT_ERROR(read_glue_file(find_task("sst2"), put("dev.tsv", "sentence\tlabel\n")), "no rows");
    EXPECT_ERROR(read_glue_file(find_task("sst2"), put("dev.tsv", "sentence\tlabel\na\xFF\t1\n")),
                 "line 2: isn't UTF-8");
    EXPECT_ERROR(read_glue_file(find_task("sst2"), folder / "absent.tsv"), "absent.tsv");
}

TEST_F(GlueReaderTest, ABlankLineIsNoRow) {
    const auto file = put("dev.tsv", "sentence\tlabel\na\t1\n\nb\t1\n\n");
    EXPECT_EQ(read_glue_file(find_task("sst2"), file).examples.size(), 2U);
}

TEST_F(GlueReaderTest, TheDataFolderIsTheTasksOrTheOneAbove) {
    std::filesystem::create_directory(folder / "SST-2");
    put("SST-2/dev.tsv", "sentence\tlabel\na\t1\n");
    for (const auto& dir : {folder, folder / "SST-2"}) {
        const auto datasets = read_glue(find_task("sst2"), dir, Split::validation);
        ASSERT_EQ(datasets.size(), 1U);
        EXPECT_EQ(datasets[0].name, "validation");
    }
    EXPECT_ERROR(read_glue(find_task("sst2"), folder, Split::train), "train.tsv");
}

class MnliReaderTest : public GlueReaderTest {
protected:
    void put_part(const std::string& name, const std::string& label) const {
        put(name, "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\ta\tb\tneutral\t" + label + "\n");
    }
};

TEST_F(MnliReaderTest, MatchedAndMismatchedAreTwoDatasets) {
    put_part("dev_matched.tsv", "entailment");
    put_part("dev_mismatched.tsv", "contradiction");
    const auto datasets = read_glue(find_task("mnli"), folder, Split::validation);
    ASSERT_EQ(datasets.size(), 2U);
    EXPECT_EQ(datasets[0].name, "validation_matched");
    EXPECT_EQ(datasets[0].examples[0].label, 0.0);
    EXPECT_EQ(datasets[1].name, "validation_mismatched");
    EXPECT_EQ(datasets[1].examples[0].label, 2.0);
}

TEST_F(MnliReaderTest, OnePartAloneAndAnUndividedFileAreRead) {
    put_part("dev.tsv", "neutral");
    EXPECT_EQ(read_glue(find_task("mnli"), folder, Split::validation)[0].name, "validation");
    put_part("dev_matched.tsv", "neutral");
    const auto datasets = read_glue(find_task("mnli"), folder, Split::validation);
    ASSERT_EQ(datasets.size(), 1U);
    EXPECT_EQ(datasets[0].name, "validation_matched");
}

// ---- the official files, which are not part of the repository

struct KnownFile {
    const char* task;
    const char* path;
    std::size_t rows;
    bool labelled;
};

void PrintTo(const KnownFile& file, std::ostream* out) { *out << file.path; }

class RealGlue : public testing::TestWithParam<KnownFile> {};

TEST_P(RealGlue, HasTheDocumentedNumberOfRows) {
    const char* shared = std::getenv("MOEBERT_SHARED");
    const auto file = (shared ? std::filesystem::path(shared) : source_dir / "../shared") / "data" / GetParam().path;
    if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is missing; set MOEBERT_SHARED";
    const Dataset dataset = read_glue_file(find_task(GetParam().task), file);
    EXPECT_EQ(dataset.examples.size(), GetParam().rows);
    EXPECT_EQ(dataset.skipped_rows, 0U);
    EXPECT_EQ(dataset.is_labelled(), GetParam().labelled);
    for (const Example& example : dataset.examples) {
        EXPECT_FALSE(example.sentence1.empty());
        EXPECT_EQ(example.label.has_value(), GetParam().labelled);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Files, RealGlue,
    testing::Values(KnownFile{"cola", "CoLA/train.tsv", 8551, true}, KnownFile{"cola", "CoLA/dev.tsv", 1043, true},
                    KnownFile{"cola", "CoLA/test.tsv", 1063, false}, KnownFile{"sst2", "SST-2/train.tsv", 67349, true},
                    KnownFile{"sst2", "SST-2/dev.tsv", 872, true}, KnownFile{"sst2", "SST-2/test.tsv", 1821, false},
                    KnownFile{"mrpc", "MRPC/train.tsv", 3668, true}, KnownFile{"mrpc", "MRPC/dev.tsv", 408, true},
                    KnownFile{"mrpc", "MRPC/test.tsv", 1725, false}, KnownFile{"stsb", "STS-B/train.tsv", 5749, true},
                    KnownFile{"stsb", "STS-B/dev.tsv", 1500, true}, KnownFile{"stsb", "STS-B/test.tsv", 1379, false},
                    KnownFile{"rte", "RTE/train.tsv", 2490, true}, KnownFile{"rte", "RTE/dev.tsv", 277, true},
                    KnownFile{"rte", "RTE/test.tsv", 3000, false}, KnownFile{"wnli", "WNLI/train.tsv", 635, true},
                    KnownFile{"wnli", "WNLI/dev.tsv", 71, true}, KnownFile{"wnli", "WNLI/test.tsv", 146, false},
                    KnownFile{"qnli", "QNLI/dev.tsv", 5463, true}, KnownFile{"qnli", "QNLI/test.tsv", 5463, false},
                    KnownFile{"qnli", "QNLI/sample10k/train.tsv", 8999, true},
                    KnownFile{"qnli", "QNLI/sample10k/dev.tsv", 1000, true},
                    KnownFile{"mnli", "MNLI/dev_matched.tsv", 9815, true},
                    KnownFile{"mnli", "MNLI/sample10k/train.tsv", 8999, true},
                    KnownFile{"mnli", "MNLI/sample10k/dev.tsv", 1000, true},
                    KnownFile{"qqp", "QQP/sample10k/train.tsv", 8999, true},
                    KnownFile{"qqp", "QQP/sample10k/dev.tsv", 1000, true},
                    KnownFile{"qqp", "QQP/train_extra.tsv", 23421, true}),
    [](const auto& known) {
        std::string name = known.param.path;
        std::ranges::replace_if(
            name, [](unsigned char c) { return !std::isalnum(c); }, '_');
        return name;
    });

}  // namespace
}  // namespace moebert::test
