#include "tasks/squad_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/utf8.h"
#include "io/file.h"
#include "io/json.h"
#include "text/unicode.h"

namespace moebert {
namespace {

using Characters = std::u32string;
using Words = std::vector<std::string>;

Characters decode(std::string_view text) {
    Characters characters;
    for (std::size_t at = 0; at < text.size();) {
        const auto found = decode_utf8(text, at);
        characters.push_back(found.code_point);
        at += found.bytes;
    }
    return characters;
}

bool is_ascii_punctuation(char32_t c) { return c < 0x80 && is_punctuation(c); }

// \w and \s of Python's regular expressions and split().
bool is_python_word(char32_t c) { return c == '_' || is_alphanumeric(c); }
bool is_python_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

bool is_article(const Characters& word) { return word == U"a" || word == U"an" || word == U"the"; }

// Whole words that are articles become spaces.
Characters without_articles(const Characters& text) {
    Characters out;
    for (std::size_t begin = 0; begin < text.size();) {
        const bool is_word = is_python_word(text[begin]);
        auto end = begin + 1;
        while (end < text.size() && is_python_word(text[end]) == is_word) ++end;
        const auto run = text.substr(begin, end - begin);
        out += is_word && is_article(run) ? Characters(U" ") : run;
        begin = end;
    }
    return out;
}

Words split_words(const Characters& text) {
    Words words;
    bool in_word = false;
    for (const auto c : text) {
        if (is_python_space(c)) {
            in_word = false;
            continue;
        }
        if (!in_word) words.emplace_back();
        in_word = true;
        append_utf8(words.back(), c);
    }
    return words;
}

}  // namespace

Words normalize_answer(std::string_view text) {
    Characters kept;
    for (const auto c : lower_text(decode(text)))
        if (!is_ascii_punctuation(c)) kept.push_back(c);
    return split_words(without_articles(kept));
}

double exact_match(const Words& prediction, const Words& answer) { return prediction == answer ? 1.0 : 0.0; }

double word_f1(const Words& prediction, const Words& answer) {
    std::map<std::string, std::int64_t> left;
    for (const auto& word : answer) ++left[word];
    std::int64_t same = 0;
    for (const auto& word : prediction)
        if (left[word]-- > 0) ++same;
    if (same == 0) return 0.0;
    const double precision = static_cast<double>(same) / static_cast<double>(prediction.size());
    const double recall = static_cast<double>(same) / static_cast<double>(answer.size());
    return (2 * precision * recall) / (precision + recall);
}

namespace {

// Version 2.0: no words on either side are right only together.
double word_f1_or_none(const Words& prediction, const Words& answer) {
    if (prediction.empty() || answer.empty()) return exact_match(prediction, answer);
    return word_f1(prediction, answer);
}

struct Score {
    double exact = 0.0, f1 = 0.0;
    bool has_answer = true;
    bool predicts_answer = true;
};

using Measure = double (*)(const Words&, const Words&);

double best_of(Measure measure, const Words& prediction, const std::vector<Words>& answers) {
    double best = 0.0;
    for (const auto& answer : answers) best = std::max(best, measure(prediction, answer));
    return best;
}

std::vector<Words> normalized_answers(const Question& question) {
    std::vector<Words> answers;
    for (const auto& answer : question.answers) answers.push_back(normalize_answer(answer.text));
    return answers;
}

void note(std::vector<std::string>* missing, const std::string& id) {
    if (missing) missing->push_back(id);
}

Score score_v2(const Question& question, const std::string& prediction) {
    auto answers = normalized_answers(question);
    std::erase_if(answers, [](const Words& words) { return words.empty(); });
    if (answers.empty()) answers.emplace_back();  // for those, no answer is right
    const auto words = normalize_answer(prediction);
    return {best_of(exact_match, words, answers), best_of(word_f1_or_none, words, answers), !question.answers.empty(),
            !prediction.empty()};
}

double percentage(const std::vector<Score>& scores, double Score::*member) {
    double sum = 0.0;
    for (const auto& score : scores) sum += score.*member;
    return 100.0 * sum / static_cast<double>(scores.size());
}

void report(nlohmann::ordered_json& out, const std::string& prefix, const std::vector<Score>& scores) {
    out[prefix + "exact"] = percentage(scores, &Score::exact);
    out[prefix + "f1"] = percentage(scores, &Score::f1);
    out[prefix + "total"] = scores.size();
}

void report_part(nlohmann::ordered_json& out, const std::string& prefix, const std::vector<Score>& scores,
                 bool has_answer) {
    std::vector<Score> part;
    for (const auto& score : scores)
        if (score.has_answer == has_answer) part.push_back(score);
    if (!part.empty()) report(out, prefix, part);
}

using ScoresById = std::unordered_map<std::string, Score>;

// The threshold with the best score. Questions are answered from the surest on; those left count as not answered.
void report_best(nlohmann::ordered_json& out, const std::string& name, const QuestionSet& set, NoAnswerOdds odds,
                 const ScoresById& scores, double Score::*member) {
    auto current = static_cast<double>(
        std::ranges::count_if(set.questions, [](const Question& question) { return question.answers.empty(); }));
    double best = current, threshold = 0.0;
    std::ranges::stable_sort(odds, {}, &NoAnswerOdds::value_type::second);
    for (const auto& [id, value] : odds) {
        const auto found = scores.find(id);
        if (found == scores.end()) continue;
        const auto& score = found->second;
        current += score.has_answer ? score.*member : score.predicts_answer ? -1.0 : 0.0;
        if (current > best) best = current, threshold = value;
    }
    out["best_" + name] = 100.0 * best / static_cast<double>(scores.size());
    out["best_" + name + "_thresh"] = threshold;
}

// What counts for a question whose odds are over the threshold: that it was not answered.
void apply_threshold(const NoAnswerOdds& odds, double threshold, ScoresById& scores) {
    for (const auto& [id, value] : odds) {
        const auto found = scores.find(id);
        if (found == scores.end() || !(value > threshold)) continue;
        found->second.exact = found->second.f1 = found->second.has_answer ? 0.0 : 1.0;
    }
}

}  // namespace

nlohmann::ordered_json score_squad_v1(const QuestionSet& set, const PredictedAnswers& predictions,
                                      std::vector<std::string>* missing) {
    std::vector<Score> scores;
    for (const auto& question : set.questions) {
        scores.emplace_back();
        const auto found = predictions.find(question.id);
        if (found == predictions.end()) {
            note(missing, question.id);
            continue;
        }
        const auto words = normalize_answer(found->second);
        const auto answers = normalized_answers(question);
        scores.back().exact = best_of(exact_match, words, answers);
        scores.back().f1 = best_of(word_f1, words, answers);
    }
    return {{"exact_match", percentage(scores, &Score::exact)}, {"f1", percentage(scores, &Score::f1)}};
}

nlohmann::ordered_json score_squad_v2(const QuestionSet& set, const PredictedAnswers& predictions,
                                      const NoAnswerOdds* odds, double threshold, std::vector<std::string>* missing) {
    ScoresById raw;
    for (const auto& question : set.questions) {
        const auto found = predictions.find(question.id);
        if (found == predictions.end())
            note(missing, question.id);
        else
            raw[question.id] = score_v2(question, found->second);
    }
    if (raw.empty()) throw InputError(set.file, "", "the predictions have none of its questions");
    auto by_id = raw;
    if (odds) apply_threshold(*odds, threshold, by_id);
    std::vector<Score> scores;
    for (const auto& question : set.questions)
        if (by_id.contains(question.id)) scores.push_back(by_id[question.id]);
    nlohmann::ordered_json out;
    report(out, "", scores);
    report_part(out, "HasAns_", scores, true);
    report_part(out, "NoAns_", scores, false);
    if (!odds) return out;
    report_best(out, "exact", set, *odds, raw, &Score::exact);
    report_best(out, "f1", set, *odds, raw, &Score::f1);
    return out;
}

std::vector<std::string> score_names(bool version_2) {
    if (!version_2) return {"exact_match", "f1"};
    return {"exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1", "best_exact", "best_f1"};
}

namespace {

// An object's entries, each `expected`, in the order of the file.
template <class IsExpected>
std::vector<std::pair<std::string, nlohmann::json>> read_by_id(const std::filesystem::path& file, const char* expected,
                                                               IsExpected is_expected) {
    using Event = nlohmann::json::parse_event_t;
    std::vector<std::pair<std::string, nlohmann::json>> entries;
    std::unordered_set<std::string> ids;
    std::string id;
    bool is_object = false;
    const auto take = [&](int depth, Event event, nlohmann::json& value) {
        is_object |= depth == 0 && event == Event::object_start;
        if (!is_object) return true;
        if (event == Event::key && !ids.insert(id = value.get<std::string>()).second)
            throw InputError(file, id, "the id occurs twice");
        if (depth != 1 || event == Event::key) return true;
        if (event != Event::value || !is_expected(value))
            throw InputError(file, id, fmt::format("expected {}", expected));
        entries.emplace_back(id, std::move(value));
        return false;
    };
    if (!parse_json(read_text(file), file, {.watch = take}).is_object())
        throw InputError(file, "", "expected a JSON object, an entry a question's id");
    return entries;
}

}  // namespace

PredictedAnswers read_predictions(const std::filesystem::path& file) {
    PredictedAnswers answers;
    for (const auto& [id, value] : read_by_id(file, "a text", [](const auto& v) { return v.is_string(); }))
        answers[id] = value.get<std::string>();
    return answers;
}

NoAnswerOdds read_no_answer_odds(const std::filesystem::path& file) {
    NoAnswerOdds odds;
    for (const auto& [id, value] : read_by_id(file, "a number", [](const auto& v) { return v.is_number(); }))
        odds.emplace_back(id, value.get<double>());
    return odds;
}

}  // namespace moebert
