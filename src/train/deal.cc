#include "train/deal.h"

#include <algorithm>

namespace moebert {
namespace {

const Feature& at(std::span<const Feature> features, std::int64_t index) {
    return features[static_cast<std::size_t>(index)];
}

}  // namespace

std::vector<std::int64_t> deal_sentences(std::span<const Feature> features, std::span<const std::int64_t> sentences,
                                         int rank, int size) {
    if (size == 1) return {sentences.begin(), sentences.end()};
    const auto processes = static_cast<std::size_t>(size);
    std::vector<std::size_t> order(sentences.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto length = [&](std::size_t i) { return at(features, sentences[i]).input_ids.size(); };
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return length(a) > length(b); });
    // The longest first, each to the process with the fewest tokens so far of those with the fewest sentences.
    std::vector<std::size_t> own;
    std::vector<std::size_t> tokens(processes);
    for (std::size_t first = 0; first < order.size(); first += processes) {
        std::vector<std::size_t> by_tokens(processes);
        for (std::size_t p = 0; p < processes; ++p) by_tokens[p] = p;
        std::stable_sort(by_tokens.begin(), by_tokens.end(), [&](auto a, auto b) { return tokens[a] < tokens[b]; });
        for (std::size_t i = first; i < std::min(order.size(), first + processes); ++i) {
            const auto process = by_tokens[i - first];
            tokens[process] += length(order[i]);
            if (process == static_cast<std::size_t>(rank)) own.push_back(order[i]);
        }
    }
    std::sort(own.begin(), own.end());
    std::vector<std::int64_t> dealt;
    for (const auto i : own) dealt.push_back(sentences[i]);
    return dealt;
}

std::int64_t count_tokens(std::span<const Feature> features, std::span<const std::int64_t> sentences) {
    std::int64_t count = 0;
    for (const auto i : sentences) count += std::ssize(at(features, i).input_ids);
    return count;
}

std::vector<std::int64_t> token_ids(std::span<const Feature> features, std::span<const std::int64_t> sentences) {
    std::vector<std::int64_t> ids;
    for (const auto i : sentences)
        ids.insert(ids.end(), at(features, i).input_ids.begin(), at(features, i).input_ids.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

}  // namespace moebert
