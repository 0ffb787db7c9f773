#include "moe/importance.h"

#include <cmath>
#include <limits>

#include "io/pickle.h"
#include "io/safetensors.h"
#include "io/support.h"

namespace moebert {
namespace {

using Scores = std::vector<std::vector<double>>;
using Order = std::vector<std::vector<std::int64_t>>;

TEST(MakeImportance, RanksByFallingScoreAndEqualOnesByNumber) {
    const auto importance = make_importance({{0.5, 2, 0.5, 3}, {0, 0, 0, 0}}, {});
    EXPECT_EQ(importance.order, (Order{{3, 1, 0, 2}, {0, 1, 2, 3}}));
    EXPECT_EQ(importance.layers(), 2);
    EXPECT_EQ(importance.neurons(), 4);
}

TEST(MakeImportance, RefusesNoScoresRaggedRowsAndNumbersThatAreNotFinite) {
    EXPECT_ERROR(make_importance({}, {}), "there are none");
    EXPECT_ERROR(make_importance({{}}, {}), "there are none");
    EXPECT_ERROR(make_importance({{1, 2}, {3}}, {}), "a layer of 1 neurons beside one of 2");
    EXPECT_ERROR(make_importance({{1, std::nan("")}}, {}), "no finite number");
    EXPECT_ERROR(make_importance({{1, std::numeric_limits<double>::infinity()}}, {}), "no finite number");
}

TEST(MassOfTop, IsTheShareOfTheMostImportant) {
    const auto importance = make_importance({{1, 6, 3, 0}, {0, 0, 0, 0}}, {});
    EXPECT_DOUBLE_EQ(mass_of_top(importance, 0, 1), 0.6);
    EXPECT_DOUBLE_EQ(mass_of_top(importance, 0, 2), 0.9);
    EXPECT_DOUBLE_EQ(mass_of_top(importance, 0, 9), 1.0);
    EXPECT_DOUBLE_EQ(mass_of_top(importance, 0, 0), 0.0);
    EXPECT_DOUBLE_EQ(mass_of_top(importance, 1, 2), 0.0);
}

class ImportanceFile : public test::InFolder {
protected:
    ImportanceSource source(std::int64_t rank, std::int64_t world_size) const {
        return {"digest", "rte", "train", 10 + rank, rank, world_size, {}};
    }
    std::filesystem::path part(const std::string& name, Scores scores, const ImportanceSource& from) const {
        save_importance(folder / name, make_importance(std::move(scores), from));
        return folder / name;
    }
    std::filesystem::path put_pickle(const pickle::Value& value) const {
        pickle::write(folder / "scores.pkl", value);
        return folder / "scores.pkl";
    }
};

TEST_F(ImportanceFile, OfSafetensorsComesBackBitForBitWithItsSource) {
    auto from = source(1, 3);
    from.merged_from = {"a", "b"};
    const auto file = part("scores.safetensors", {{0.1, 1e300, 0}, {5, 1.0 / 3, 2}}, from);
    const auto loaded = load_importance(file);
    EXPECT_EQ(loaded.scores, (Scores{{0.1, 1e300, 0}, {5, 1.0 / 3, 2}}));
    EXPECT_EQ(loaded.order, (Order{{1, 0, 2}, {0, 2, 1}}));
    EXPECT_EQ(loaded.source.model_digest, "digest");
    EXPECT_EQ(loaded.source.task, "rte");
    EXPECT_EQ(loaded.source.split, "train");
    EXPECT_EQ(loaded.source.examples, 11);
    EXPECT_EQ(loaded.source.rank, 1);
    EXPECT_EQ(loaded.source.world_size, 3);
    EXPECT_EQ(loaded.source.merged_from, (std::vector<std::string>{"a", "b"}));
}

TEST_F(ImportanceFile, OfTheEndingPklIsTheAuthorsDictionary) {
    const auto file = part("scores.pkl", {{0.1, 7, 0.25}}, {});
    const auto value = pickle::read(file);
    const auto& dict = pickle::expect_dict(value, file, "");
    const auto& sorted = pickle::expect_list(*pickle::find(dict, "importance"), file, "");
    const auto& idx = pickle::expect_list(*pickle::find(dict, "idx"), file, "");
    const auto& row = pickle::expect_list(sorted.at(0), file, "");
    EXPECT_EQ(pickle::expect_number(row.at(0), file, ""), 7);
    EXPECT_EQ(pickle::expect_number(row.at(2), file, ""), 0.1);
    EXPECT_EQ(pickle::expect_int(pickle::expect_list(idx.at(0), file, "").at(0), file, ""), 1);
    EXPECT_EQ(load_importance(file).scores, (Scores{{0.1, 7, 0.25}}));
}

TEST_F(ImportanceFile, OfOneOfTheAuthorsProcessesIsAListOfLists) {
    const auto file = put_pickle(pickle::List{pickle::List{0.5, 2.0}, pickle::List{3.0, 1}});
    EXPECT_EQ(load_importance(file).scores, (Scores{{0.5, 2}, {3, 1}}));
    EXPECT_EQ(load_importance(file).order, (Order{{1, 0}, {0, 1}}));
}

TEST_F(ImportanceFile, OfTheAuthorsIsReadAndKeepsItsOrder) {
    for (const char* name : {"importance_mnli.pkl", "importance_rte.pkl"}) {
        const auto scores = load_importance(test::fixtures / "authors_importance" / name);
        EXPECT_EQ(scores.layers(), 12);
        EXPECT_EQ(scores.neurons(), 3072);
        for (std::size_t k = 0; k < 12; ++k)
            for (std::size_t r = 1; r < 3072; ++r)
                ASSERT_GE(scores.scores[k][static_cast<std::size_t>(scores.order[k][r - 1])],
                          scores.scores[k][static_cast<std::size_t>(scores.order[k][r])]);
    }
    const auto mnli = load_importance(test::fixtures / "authors_importance/importance_mnli.pkl");
    EXPECT_EQ(mnli.order[0][0], 2283);
    EXPECT_EQ(mnli.order[0][1], 218);
    EXPECT_DOUBLE_EQ(mnli.scores[0][2283], 672.55419921875);
}

TEST_F(ImportanceFile, OfTheAuthorsSurvivesBothFormats) {
    const auto scores = load_importance(test::fixtures / "authors_importance/importance_rte.pkl");
    for (const char* name : {"again.pkl", "again.safetensors"}) {
        save_importance(folder / name, scores);
        EXPECT_EQ(load_importance(folder / name).scores, scores.scores) << name;
    }
}

TEST_F(ImportanceFile, WithoutItsKeysOrWithAnIdxThatIsNoOrderIsRefused) {
    const pickle::List row{2.0, 1.0};
    EXPECT_ERROR(load_importance(put_pickle(pickle::Dict{{"idx", pickle::List{}}})), "importance: key is missing");
    EXPECT_ERROR(load_importance(put_pickle(pickle::Dict{{"importance", pickle::List{row}}})), "idx: key is missing");
    const auto with_idx = [&](pickle::List idx) {
        return put_pickle(pickle::Dict{{"importance", pickle::List{row}}, {"idx", std::move(idx)}});
    };
    EXPECT_ERROR(load_importance(with_idx({pickle::List{0, 0}})), "no order of the neurons 0 to 1");
    EXPECT_ERROR(load_importance(with_idx({pickle::List{0, 2}})), "no order of the neurons 0 to 1");
    EXPECT_ERROR(load_importance(with_idx({pickle::List{0}})), "no order of the neurons 0 to 1");
    EXPECT_ERROR(load_importance(with_idx({})), "0 layers; importance has 1");
    EXPECT_ERROR(load_importance(with_idx({pickle::List{"0", 1}})), "idx");
}

TEST_F(ImportanceFile, OfOtherThingsIsRefusedByName) {
    const auto file = folder / "other.safetensors";
    write_safetensors(file, {{"weight", test::tensor<float>({1}, {1})}});
    EXPECT_ERROR(load_importance(file), "tensor is missing; is this a file of scores?");
    write_safetensors(file, {{"importance", test::tensor<float>({1, 2}, {1, 2})}});
    EXPECT_ERROR(load_importance(file), "F32 [1, 2]; expected F64 of layers x neurons");
    write_safetensors(file, {{"importance", test::tensor<double>({std::int64_t{1} << 50, 0}, {})}});
    EXPECT_ERROR(load_importance(file), "expected F64 of layers x neurons, and some of both");
    write_safetensors(file, {{"importance", test::tensor<double>({2}, {1, 2})}});
    EXPECT_ERROR(load_importance(file), "F64 [2]");
    write_safetensors(file, {{"importance", test::tensor<double>({1, 2}, {1, std::nan("")})}});
    EXPECT_ERROR(load_importance(file), "other.safetensors");
    write_safetensors(file, {{"importance", test::tensor<double>({1, 2}, {1, 2})}}, {{"source", "{}"}});
    EXPECT_ERROR(load_importance(file), "__metadata__: source");
    EXPECT_ERROR(load_importance(folder / "none.safetensors"), "none.safetensors");
    EXPECT_ERROR(load_importance(put_pickle(pickle::Value("text"))), "scores.pkl");
    EXPECT_ERROR(load_importance(put_pickle(pickle::List{})), "scores.pkl: importance scores: there are none");
    EXPECT_ERROR(load_importance(put_pickle(pickle::List{pickle::List{std::nan("")}})), "no finite number");
}

TEST_F(ImportanceFile, ThatIsDamagedIsRefusedWhateverTheDamage) {
    const auto content = test::slurp(part("whole.pkl", {{0.5, 2, 1}, {3, 1, 0}}, {}));
    test::try_damaged(content, [&](std::string_view damaged) { load_importance(put("damaged.pkl", damaged)); });
}

TEST_F(ImportanceFile, OfSeveralProcessesAddsUpAndLeavesTheInputsAlone) {
    const auto a = part("a.safetensors", {{1, 2}, {3, 4}}, source(0, 2));
    const auto b = part("b.safetensors", {{10, 20}, {0.5, 0}}, source(1, 2));
    const auto before = test::slurp(a) + test::slurp(b);
    const auto merged = merge_importance({a, b});
    EXPECT_EQ(merged.scores, (Scores{{11, 22}, {3.5, 4}}));
    EXPECT_EQ(merged.order, (Order{{1, 0}, {1, 0}}));
    EXPECT_EQ(merged.source.examples, 10 + 11);
    EXPECT_EQ(merged.source.rank, 0);
    EXPECT_EQ(merged.source.world_size, 1);
    EXPECT_EQ(merged.source.merged_from, (std::vector<std::string>{a.string(), b.string()}));
    EXPECT_EQ(test::slurp(a) + test::slurp(b), before);
    EXPECT_EQ(merge_importance({b, a}).scores, merged.scores);
}

TEST_F(ImportanceFile, OfTheAuthorsProcessesAddsUpByPosition) {
    const auto a = part("a.pkl", {{1, 2, 4}}, {}), b = part("b.pkl", {{5, 3, 1}}, {});
    EXPECT_EQ(merge_importance({a, b}).scores, (Scores{{6, 5, 5}}));
}

TEST_F(ImportanceFile, OfOneRankTwiceIsRefused) {
    const auto a = part("a.safetensors", {{1, 2}}, source(0, 2));
    const auto again = part("again.safetensors", {{1, 2}}, source(0, 2));
    EXPECT_ERROR(merge_importance({a, a}), "the part of rank 0 is given twice");
    EXPECT_ERROR(merge_importance({a, again}), "again.safetensors: the part of rank 0 is given twice");
    const auto authors = part("a.pkl", {{1, 2}}, {});
    EXPECT_ERROR(merge_importance({authors, authors}), "given twice");
}

TEST_F(ImportanceFile, WithMissingRanksIsRefused) {
    const auto a = part("a.safetensors", {{1, 2}}, source(0, 3)), b = part("b.safetensors", {{1, 2}}, source(2, 3));
    EXPECT_ERROR(merge_importance({a, b}), "2 of the 3 parts given");
    EXPECT_ERROR(merge_importance({a}), "1 of the 3 parts given");
    EXPECT_ERROR(merge_importance({}), "no files");
    const auto beyond = part("c.safetensors", {{1, 2}}, source(3, 3));
    EXPECT_ERROR(merge_importance({a, b, beyond}), "c.safetensors: __metadata__: source: rank 3 of a world_size of 3");
}

TEST_F(ImportanceFile, OfAnotherModelTaskSplitShapeOrWorldIsRefused) {
    const auto a = part("a.safetensors", {{1, 2}}, source(0, 2));
    const auto refuse = [&](const std::function<void(ImportanceSource&)>& change, const std::string& message) {
        auto from = source(1, 2);
        change(from);
        EXPECT_ERROR(merge_importance({a, part("b.safetensors", {{1, 2}}, from)}), "b.safetensors: " + message);
    };
    refuse([](auto& s) { s.model_digest = "other"; }, "model_digest: 'other'; the first file has 'digest'");
    refuse([](auto& s) { s.task = "mnli"; }, "task: 'mnli'; the first file has 'rte'");
    refuse([](auto& s) { s.split = "validation"; }, "split: 'validation'");
    refuse([](auto& s) { s.world_size = 3; }, "world_size: '3'");
    EXPECT_ERROR(merge_importance({a, part("b.safetensors", {{1, 2, 3}}, source(1, 2))}),
                 "1 layers of 3 neurons; the first file has 1 of 2");
}

}  // namespace
}  // namespace moebert
