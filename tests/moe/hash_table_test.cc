#include "moe/hash_table.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "io/pickle.h"
#include "io/support.h"

namespace moebert {
namespace {

using Table = std::vector<std::int64_t>;

TEST(RandomHashTable, SpreadsTheVocabularyEvenlyAndReproducibly) {
    const auto table = random_hash_table(40000, 4, 1);
    std::vector<int> counts(4, 0);
    for (const auto expert : table) ++counts.at(static_cast<std::size_t>(expert));
    for (const int count : counts) EXPECT_NEAR(count, 10000, 5 * 87);  // 5 standard deviations
    EXPECT_EQ(random_hash_table(40000, 4, 1), table);
    EXPECT_NE(random_hash_table(40000, 4, 2), table);
}

TEST(BalancedHashTable, GivesTokensByFallingCountToTheExpertWithTheLeastLoad) {
    // By count: 1 (9) to expert 0, 3 (7) to 1, 0 (4) to 1, whose load is less, then 2 (3) to 0: 9 + 3 beside 7 + 4.
    EXPECT_EQ(balanced_hash_table({4, 9, 3, 7}, 2, 0), (Table{1, 0, 0, 1}));
}

TEST(BalancedHashTable, TakesTokensOfEqualCountByTheirNumberAndTheLowestExpertOnTies) {
    EXPECT_EQ(balanced_hash_table({5, 5, 5, 5}, 2, 0), (Table{0, 1, 0, 1}));
    EXPECT_EQ(balanced_hash_table({1, 1, 1}, 4, 0), (Table{0, 1, 2}));
    EXPECT_EQ(balanced_hash_table({2, 2, 4}, 3, 0), (Table{1, 2, 0}));
}

TEST(BalancedHashTable, KeepsTheHeaviestTokenAlone) {
    EXPECT_EQ(balanced_hash_table({100, 1, 1, 1, 1}, 2, 0), (Table{0, 1, 1, 1, 1}));
}

TEST(BalancedHashTable, GivesUnseenTokensRandomExpertsThatTheSeedDecides) {
    std::vector<std::int64_t> counts(1000, 0);
    counts[10] = 8;
    counts[20] = 3;
    const auto table = balanced_hash_table(counts, 4, 1);
    EXPECT_EQ(table[10], 0);
    EXPECT_EQ(table[20], 1);
    EXPECT_EQ(balanced_hash_table(counts, 4, 1), table);
    EXPECT_NE(balanced_hash_table(counts, 4, 2), table);
    std::vector<int> tokens(4, 0);
    for (const auto expert : table) ++tokens.at(static_cast<std::size_t>(expert));
    for (const int count : tokens) EXPECT_NEAR(count, 250, 5 * 14);  // 5 standard deviations
}

TEST(BalancedHashTable, LevelsTheLoadOfATextsTokenCounts) {
    std::vector<std::int64_t> counts(5000);  // Zipf's law, as words have
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = static_cast<std::int64_t>(100000 / (i + 1));
    const auto table = balanced_hash_table(counts, 4, 0);
    std::vector<std::int64_t> load(4, 0);
    for (std::size_t i = 0; i < counts.size(); ++i) load.at(static_cast<std::size_t>(table[i])) += counts[i];
    const auto [least, most] = std::minmax_element(load.begin(), load.end());
    EXPECT_LE(*most - *least, counts.back());  // the last token went to the least loaded one
}

TEST(MakeHashTables, DrawsADifferentOneForEachLayerOrRepeatsTheBalancedOne) {
    const auto random = make_hash_tables(RouteMethod::hash_random, 3, 50, 4, 9, {});
    ASSERT_EQ(random.size(), 3U);
    EXPECT_NE(random[0], random[1]);
    EXPECT_NE(random[1], random[2]);
    const Table balanced{0, 1, 2};
    EXPECT_EQ(make_hash_tables(RouteMethod::hash_balance, 2, 3, 4, 9, balanced), (HashTables{balanced, balanced}));
    EXPECT_TRUE(make_hash_tables(RouteMethod::gate_token, 3, 50, 4, 9, {}).empty());
    EXPECT_TRUE(make_hash_tables(RouteMethod::gate_sentence, 3, 50, 4, 9, {}).empty());
}

TEST(MakeHashTables, RefusesABalancedTableOfAnotherVocabulary) {
    EXPECT_ERROR(make_hash_tables(RouteMethod::hash_balance, 2, 4, 4, 9, {0, 1, 2}), "3 entries; the vocabulary has 4");
}

class HashList : public test::InFolder {
protected:
    std::filesystem::path put_list(pickle::Value value) const {
        pickle::write(folder / "list.pkl", value);
        return folder / "list.pkl";
    }
};

TEST_F(HashList, ComesBackAsItWasWritten) {
    const Table table{3, 0, 1, 2, 2, 0};
    save_hash_list(folder / "list.pkl", table);
    EXPECT_EQ(load_hash_list(folder / "list.pkl", 6, 4), table);
}

TEST_F(HashList, OfTheAuthorsIsRead) {
    const auto table = load_hash_list(test::fixtures / "cls3/balance.pkl", 97, 4);
    EXPECT_EQ(Table(table.begin(), table.begin() + 10), (Table{2, 3, 1, 0, 1, 0, 1, 3, 3, 0}));
}

TEST_F(HashList, OfAnotherVocabularyIsRefused) {
    const auto file = put_list(pickle::List{0, 1, 2});
    EXPECT_ERROR(load_hash_list(file, 97, 4), "3 entries; the model's vocabulary has 97");
    EXPECT_ERROR(load_hash_list(file, 2, 4), file.string());
}

TEST_F(HashList, WithAnExpertThatDoesNotExistIsRefusedByItsToken) {
    EXPECT_ERROR(load_hash_list(put_list(pickle::List{0, 4, 2}), 3, 4), "token 1: expert 4; expected 0 to 3");
    EXPECT_ERROR(load_hash_list(put_list(pickle::List{0, 1, -1}), 3, 4), "token 2: expert -1; expected 0 to 3");
}

TEST_F(HashList, OfFewerExpertsIsRefused) {
    EXPECT_ERROR(load_hash_list(put_list(pickle::List{0, 1, 3, 1}), 4, 4), "no token goes to expert 2 of 4");
    EXPECT_ERROR(load_hash_list(test::fixtures / "cls3/balance.pkl", 97, 8), "no token goes to expert 4 of 8");
}

TEST_F(HashList, OfAnythingButIntegersIsRefused) {
    EXPECT_ERROR(load_hash_list(put_list(pickle::List{0, 1.5}), 2, 4), "token 1");
    EXPECT_ERROR(load_hash_list(put_list(pickle::List{0, "1"}), 2, 4), "token 1");
    EXPECT_ERROR(load_hash_list(put_list(pickle::Dict{{"a", 1}}), 1, 4), "expected a list");
    EXPECT_ERROR(load_hash_list(folder / "none.pkl", 2, 4), "none.pkl");
}

}  // namespace
}  // namespace moebert
