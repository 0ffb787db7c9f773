#include "moe/importance.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/json_text.h"
#include "io/json.h"
#include "io/pickle.h"
#include "io/safetensors.h"

namespace moebert {
namespace {

using Scores = std::vector<std::vector<double>>;
using Order = std::vector<std::vector<std::int64_t>>;

std::vector<std::int64_t> rank(const std::vector<double>& scores) {
    std::vector<std::int64_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
        return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    return order;
}

void check_shape(const Scores& scores) {
    if (scores.empty() || scores.front().empty()) fail("importance scores: there are none");
    for (const auto& row : scores) {
        if (row.size() != scores.front().size())
            fail("importance scores: a layer of {} neurons beside one of {}", row.size(), scores.front().size());
        for (const double score : row)
            if (!std::isfinite(score)) fail("importance scores: {} is no finite number", score);
    }
}

bool is_pickle(const std::filesystem::path& file) { return file.extension() == ".pkl"; }

std::vector<double> read_row(const pickle::Value& value, const std::filesystem::path& file, const std::string& where) {
    std::vector<double> row;
    for (const auto& item : pickle::expect_list(value, file, where))
        row.push_back(pickle::expect_number(item, file, where));
    return row;
}

Scores read_rows(const pickle::Value& value, const std::filesystem::path& file, const std::string& where) {
    Scores rows;
    for (const auto& item : pickle::expect_list(value, file, where)) rows.push_back(read_row(item, file, where));
    return rows;
}

// The order of one layer, checked to be a permutation.
std::vector<std::int64_t> read_order(const pickle::Value& value, std::size_t neurons,
                                     const std::filesystem::path& file) {
    std::vector<std::int64_t> order;
    for (const auto& item : pickle::expect_list(value, file, "idx"))
        order.push_back(pickle::expect_int(item, file, "idx"));
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::int64_t> expected(neurons);
    std::iota(expected.begin(), expected.end(), 0);
    if (sorted != expected)
        throw InputError(file, "idx", fmt::format("a layer is no order of the neurons 0 to {}", neurons - 1));
    return order;
}

// The authors' merged file: scores sorted descending, and the neuron of each rank.
Importance read_merged(const pickle::Dict& dict, const std::filesystem::path& file) {
    const auto* scores = pickle::find(dict, "importance");
    const auto* idx = pickle::find(dict, "idx");
    if (!scores || !idx) throw InputError(file, scores ? "idx" : "importance", "key is missing");
    const Scores sorted = read_rows(*scores, file, "importance");
    const auto& layers = pickle::expect_list(*idx, file, "idx");
    if (layers.size() != sorted.size())
        throw InputError(file, "idx", fmt::format("{} layers; importance has {}", layers.size(), sorted.size()));
    Importance result;
    for (std::size_t k = 0; k < sorted.size(); ++k) {
        const auto order = read_order(layers[k], sorted[k].size(), file);
        std::vector<double> row(order.size());
        for (std::size_t r = 0; r < order.size(); ++r) row[static_cast<std::size_t>(order[r])] = sorted[k][r];
        result.scores.push_back(std::move(row));
        result.order.push_back(order);
    }
    return result;
}

Importance read_pickle(const std::filesystem::path& file) {
    const auto value = pickle::read(file);
    if (std::holds_alternative<pickle::Dict>(value.data)) return read_merged(std::get<pickle::Dict>(value.data), file);
    return make_importance(read_rows(value, file, "importance"), {});
}

pickle::Value as_pickle(const Importance& importance) {
    pickle::List scores, idx;
    for (std::size_t k = 0; k < importance.scores.size(); ++k) {
        pickle::List row, order;
        for (const auto neuron : importance.order[k]) {
            row.emplace_back(importance.scores[k][static_cast<std::size_t>(neuron)]);
            order.emplace_back(neuron);
        }
        scores.emplace_back(std::move(row));
        idx.emplace_back(std::move(order));
    }
    return pickle::Dict{{"importance", std::move(scores)}, {"idx", std::move(idx)}};
}

nlohmann::json as_json(const ImportanceSource& source) {
    return {{"model_digest", source.model_digest}, {"task", source.task}, {"split", source.split},
            {"examples", source.examples},         {"rank", source.rank}, {"world_size", source.world_size},
            {"merged_from", source.merged_from}};
}

ImportanceSource parse_source(const std::string& text, const std::filesystem::path& file) try {
    const auto json = nlohmann::json::parse(text);
    ImportanceSource source;
    json.at("model_digest").get_to(source.model_digest);
    json.at("task").get_to(source.task);
    json.at("split").get_to(source.split);
    json.at("examples").get_to(source.examples);
    json.at("rank").get_to(source.rank);
    json.at("world_size").get_to(source.world_size);
    json.at("merged_from").get_to(source.merged_from);
    if (source.rank < 0 || source.rank >= source.world_size)
        throw InputError(file, "__metadata__",
                         fmt::format("source: rank {} of a world_size of {}", source.rank, source.world_size));
    return source;
} catch (const nlohmann::json::exception& error) {
    throw InputError(file, "__metadata__", fmt::format("source: {}", json_problem(error)));
}

Importance read_tensors(const std::filesystem::path& file) {
    Metadata metadata;
    const auto tensors = read_safetensors(file, &metadata);
    const auto found = tensors.find("importance");
    if (found == tensors.end()) throw InputError(file, "importance", "tensor is missing; is this a file of scores?");
    const auto& tensor = found->second;
    if (tensor.dtype != DType::f64 || tensor.shape.size() != 2 || element_count(tensor.shape) == 0)
        throw InputError(file, "importance",
                         fmt::format("{} {}; expected F64 of layers x neurons, and some of both",
                                     dtype_name(tensor.dtype), to_string(tensor.shape)));
    Scores scores;
    for (std::int64_t k = 0; k < tensor.shape[0]; ++k) {
        const auto row = tensor.as<double>().subspan(static_cast<std::size_t>(k * tensor.shape[1]),
                                                     static_cast<std::size_t>(tensor.shape[1]));
        scores.emplace_back(row.begin(), row.end());
    }
    const auto source = metadata.find("source");
    return make_importance(std::move(scores),
                           source == metadata.end() ? ImportanceSource{} : parse_source(source->second, file));
}

}  // namespace

Importance make_importance(std::vector<std::vector<double>> scores, ImportanceSource source) {
    check_shape(scores);
    Importance result{std::move(scores), {}, std::move(source)};
    for (const auto& row : result.scores) result.order.push_back(rank(row));
    return result;
}

Importance load_importance(const std::filesystem::path& file) {
    try {
        auto result = is_pickle(file) ? read_pickle(file) : read_tensors(file);
        check_shape(result.scores);
        return result;
    } catch (const InputError&) {
        throw;
    } catch (const Error& error) {
        throw InputError(file, "", error.what());
    }
}

void save_importance(const std::filesystem::path& file, const Importance& importance) {
    if (is_pickle(file)) return pickle::write(file, as_pickle(importance));
    std::vector<double> flat;
    for (const auto& row : importance.scores) flat.insert(flat.end(), row.begin(), row.end());
    write_safetensors(file, {{"importance", Tensor::from<double>({importance.layers(), importance.neurons()}, flat)}},
                      {{"source", json_text(as_json(importance.source))}});
}

namespace {

void check_same_run(const Importance& first, const Importance& next, const std::filesystem::path& file) {
    if (next.layers() != first.layers() || next.neurons() != first.neurons())
        throw InputError(file, "",
                         fmt::format("{} layers of {} neurons; the first file has {} of {}", next.layers(),
                                     next.neurons(), first.layers(), first.neurons()));
    const auto compare = [&](const char* what, const std::string& a, const std::string& b) {
        if (a != b) throw InputError(file, what, fmt::format("'{}'; the first file has '{}'", b, a));
    };
    compare("model_digest", first.source.model_digest, next.source.model_digest);
    compare("task", first.source.task, next.source.task);
    compare("split", first.source.split, next.source.split);
    compare("world_size", std::to_string(first.source.world_size), std::to_string(next.source.world_size));
}

void add_scores(Importance& sum, const Importance& next) {
    for (std::size_t k = 0; k < sum.scores.size(); ++k)
        for (std::size_t j = 0; j < sum.scores[k].size(); ++j) sum.scores[k][j] += next.scores[k][j];
}

}  // namespace

Importance merge_importance(const std::vector<std::filesystem::path>& files) {
    if (files.empty()) fail_usage("merge-importance: no files given");
    Importance sum = load_importance(files.front());
    // The authors' files don't say which process they are of; then the number of files is all there is to go by.
    const bool known = !sum.source.model_digest.empty();
    std::set<std::int64_t> ranks{sum.source.rank};
    std::set<std::filesystem::path> seen{std::filesystem::weakly_canonical(files.front())};
    sum.source.merged_from = {files.front().string()};
    for (std::size_t i = 1; i < files.size(); ++i) {
        const auto next = load_importance(files[i]);
        check_same_run(sum, next, files[i]);
        if (!seen.insert(std::filesystem::weakly_canonical(files[i])).second ||
            (known && !ranks.insert(next.source.rank).second))
            throw InputError(files[i], "", fmt::format("the part of rank {} is given twice", next.source.rank));
        add_scores(sum, next);
        sum.source.examples += next.source.examples;
        sum.source.merged_from.push_back(files[i].string());
    }
    if (known && std::ssize(ranks) != sum.source.world_size)
        fail("merge-importance: {} of the {} parts given", ranks.size(), sum.source.world_size);
    sum.source.rank = 0;
    sum.source.world_size = 1;
    return make_importance(std::move(sum.scores), std::move(sum.source));
}

double mass_of_top(const Importance& importance, std::int64_t layer, std::int64_t count) {
    const auto& row = importance.scores.at(static_cast<std::size_t>(layer));
    const auto& order = importance.order.at(static_cast<std::size_t>(layer));
    double top = 0.0;
    for (std::int64_t r = 0; r < std::min(count, importance.neurons()); ++r)
        top += row[static_cast<std::size_t>(order[static_cast<std::size_t>(r)])];
    const double all = std::accumulate(row.begin(), row.end(), 0.0);
    return all > 0 ? top / all : 0.0;
}

}  // namespace moebert
