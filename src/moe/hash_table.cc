#include "moe/hash_table.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "io/pickle.h"

namespace moebert {

std::vector<std::int64_t> random_hash_table(std::int64_t vocab_size, std::int64_t num_experts, std::uint64_t seed) {
    RandomEngine engine(random_key(seed, 2));
    std::vector<std::int64_t> table(static_cast<std::size_t>(vocab_size));
    for (auto& expert : table)
        expert = static_cast<std::int64_t>(uniform_index(engine, static_cast<std::uint64_t>(num_experts)));
    return table;
}

std::vector<std::int64_t> balanced_hash_table(const std::vector<std::int64_t>& counts, std::int64_t num_experts,
                                              std::uint64_t seed) {
    auto table = random_hash_table(std::ssize(counts), num_experts, seed);
    std::vector<std::size_t> tokens(counts.size());
    std::iota(tokens.begin(), tokens.end(), std::size_t{0});
    std::stable_sort(tokens.begin(), tokens.end(), [&](auto a, auto b) { return counts[a] > counts[b]; });
    std::vector<std::int64_t> load(static_cast<std::size_t>(num_experts), 0);
    for (const auto token : tokens) {
        if (counts[token] == 0) break;
        const auto least = std::min_element(load.begin(), load.end());
        table[token] = least - load.begin();
        *least += counts[token];
    }
    return table;
}

HashTables make_hash_tables(RouteMethod method, std::int64_t layers, std::int64_t vocab_size, std::int64_t num_experts,
                            std::uint64_t seed, const std::vector<std::int64_t>& balanced) {
    HashTables tables;
    if (is_gated(method)) return tables;
    if (method == RouteMethod::hash_balance && std::ssize(balanced) != vocab_size)
        fail("hash-balance: a table of {} entries; the vocabulary has {}", balanced.size(), vocab_size);
    for (std::int64_t k = 0; k < layers; ++k)
        tables.push_back(
            method == RouteMethod::hash_balance
                ? balanced
                : random_hash_table(vocab_size, num_experts, random_key(seed, static_cast<std::uint64_t>(k))));
    return tables;
}

}  // namespace moebert

namespace moebert {

std::vector<std::int64_t> load_hash_list(const std::filesystem::path& file, std::int64_t vocab_size,
                                         std::int64_t num_experts) {
    const auto value = pickle::read(file);
    const auto& list = pickle::expect_list(value, file, "hash list");
    if (std::ssize(list) != vocab_size)
        throw InputError(file, "hash list",
                         fmt::format("{} entries; the model's vocabulary has {}", list.size(), vocab_size));
    std::vector<std::int64_t> table;
    for (const auto& item : list) {
        const auto expert = pickle::expect_int(item, file, fmt::format("token {}", table.size()));
        if (expert < 0 || expert >= num_experts)
            throw InputError(file, fmt::format("token {}", table.size()),
                             fmt::format("expert {}; expected 0 to {}", expert, num_experts - 1));
        table.push_back(expert);
    }
    for (std::int64_t expert = 0; expert < num_experts; ++expert)
        if (std::ranges::find(table, expert) == table.end())
            throw InputError(
                file, "hash list",
                fmt::format("no token goes to expert {} of {}; is it one for fewer experts?", expert, num_experts));
    return table;
}

void save_hash_list(const std::filesystem::path& file, const std::vector<std::int64_t>& table) {
    pickle::write(file, pickle::List(table.begin(), table.end()));
}

}  // namespace moebert
