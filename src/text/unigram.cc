#include "text/unigram.h"

#include <algorithm>

#include "core/utf8.h"

namespace moebert {
namespace {

constexpr double kUnknownPenalty = 10.0;  // below the least score

}  // namespace

Unigram::Unigram(const std::vector<std::string>& vocabulary, std::vector<double> scores, std::int32_t unk_id)
    : trie_(entries_of(vocabulary)),
      scores_(std::move(scores)),
      unk_id_(unk_id),
      unk_score_((scores_.empty() ? 0.0 : *std::ranges::min_element(scores_)) - kUnknownPenalty) {}

// Goes on from byte `at`, where a character begins and a way leads to.
void Unigram::extend(std::string_view word, std::size_t at, std::vector<Step>& steps) const {
    const auto reach = [&](std::size_t end, std::int32_t id, double score) {
        Step& step = steps[end];
        if (step.id < 0 || score > step.score) step = {score, at, id};
    };
    const double score = steps[at].score;
    const std::size_t character_end = at + decode_utf8(word, at).bytes;
    bool is_known = false;
    std::uint32_t node = Trie::root;
    for (std::size_t end = at; end < word.size();) {
        node = trie_.child(node, static_cast<std::uint8_t>(word[end++]));
        if (node == Trie::no_node) break;
        const std::int32_t id = trie_.value(node);
        if (id == Trie::no_value) continue;
        reach(end, id, score + scores_[static_cast<std::size_t>(id)]);
        is_known |= end == character_end;
    }
    if (!is_known) reach(character_end, unk_id_, score + unk_score_);
}

void Unigram::split(std::string_view word, std::vector<std::int32_t>& ids, std::vector<std::uint32_t>* ends) const {
    std::vector<Step> steps(word.size() + 1);
    for (std::size_t at = 0; at < word.size(); at += decode_utf8(word, at).bytes) extend(word, at, steps);
    const std::size_t first_id = ids.size(), first_end = ends ? ends->size() : 0;
    for (std::size_t end = word.size(); end > 0; end = steps[end].begin) {
        const bool goes_on = ids.size() > first_id && ids.back() == unk_id_ && steps[end].id == unk_id_;
        if (goes_on) continue;  // the unknown stretch ends where its last character does
        ids.push_back(steps[end].id);
        if (ends) ends->push_back(static_cast<std::uint32_t>(end));
    }
    std::reverse(ids.begin() + static_cast<std::ptrdiff_t>(first_id), ids.end());
    if (ends) std::reverse(ends->begin() + static_cast<std::ptrdiff_t>(first_end), ends->end());
}

}  // namespace moebert
