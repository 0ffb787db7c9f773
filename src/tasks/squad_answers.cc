#include "tasks/squad_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>

#include "core/error.h"
#include "core/json_text.h"
#include "io/file.h"
#include "tasks/text_places.h"

namespace moebert {
namespace {

// The logits of one window, (tokens, 2).
class WindowLogits {
public:
    explicit WindowLogits(std::span<const float> values) : values_(values) {}
    std::size_t tokens() const { return values_.size() / 2; }
    float start(std::size_t token) const { return values_[2 * token]; }
    float end(std::size_t token) const { return values_[2 * token + 1]; }

private:
    std::span<const float> values_;
};

// The tokens with the highest logits, best first, the earlier of equal ones first.
template <class Logit>
std::vector<std::size_t> best_tokens(std::size_t tokens, std::size_t count, Logit logit) {
    std::vector<std::size_t> order(tokens);
    std::iota(order.begin(), order.end(), std::size_t{0});
    count = std::min(count, tokens);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                      [&](auto a, auto b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; });
    order.resize(count);
    return order;
}

bool is_better(const Candidate& a, const Candidate& b) { return a.score() > b.score(); }

bool is_span(const Candidate& candidate) { return !candidate.text.empty(); }

class QuestionCandidates {
public:
    explicit QuestionCandidates(const AnswerOptions& options) : options_(options) {}

    void add(const Window& window, const WindowLogits& logits) {
        const Candidate null{"", 0, 0, logits.start(0), logits.end(0), 0.0};
        if (!null_ || is_better(*null_, null)) null_ = null;
        const auto count = static_cast<std::size_t>(options_.n_best_size);
        const auto starts = best_tokens(logits.tokens(), count, [&](auto t) { return logits.start(t); });
        const auto ends = best_tokens(logits.tokens(), count, [&](auto t) { return logits.end(t); });
        for (const auto start : starts)
            for (const auto end : ends)
                if (is_allowed(window, start, end)) add_span(window, logits, start, end);
    }

    QuestionAnswer finish(std::string_view context) && {
        if (options_.version_2_with_negative && null_) found_.push_back(*null_);
        keep_best();
        const TextPlaces places(context);
        for (auto& candidate : found_) candidate.text = text_of(context, places, candidate);
        set_probabilities();
        return choose();
    }

private:
    bool is_allowed(const Window& window, std::size_t start, std::size_t end) const {
        const auto first = window.context_begin, last = first + window.offsets.size();
        return start >= first && end >= start && end < last &&
               end - start < static_cast<std::size_t>(options_.max_answer_length);
    }

    void add_span(const Window& window, const WindowLogits& logits, std::size_t start, std::size_t end) {
        const auto begin_character = window.offsets[start - window.context_begin][0];
        const auto end_character = window.offsets[end - window.context_begin][1];
        found_.push_back({"", begin_character, end_character, logits.start(start), logits.end(end), 0.0});
    }

    void keep_best() {
        std::stable_sort(found_.begin(), found_.end(), is_better);
        const auto count = static_cast<std::size_t>(options_.n_best_size);
        if (found_.size() > count) found_.resize(count);
        const bool has_null = std::ranges::any_of(found_, is_null);
        if (options_.version_2_with_negative && null_ && !has_null) found_.push_back(*null_);
    }

    static bool is_null(const Candidate& candidate) { return candidate.begin == 0 && candidate.end == 0; }

    static std::string text_of(std::string_view context, const TextPlaces& places, const Candidate& candidate) {
        const auto begin = places.byte_of_character(candidate.begin);
        return std::string(context.substr(begin, places.byte_of_character(candidate.end) - begin));
    }

    void set_probabilities() {
        if (found_.empty()) return;
        const float best = found_.front().score();
        double sum = 0.0;
        for (auto& candidate : found_) sum += candidate.probability = std::exp(double{candidate.score()} - best);
        for (auto& candidate : found_) candidate.probability /= sum;
    }

    QuestionAnswer choose() {
        QuestionAnswer answer{{}, std::move(found_), 0.0};
        const auto best = std::ranges::find_if(answer.candidates, is_span);
        const bool has_span = best != answer.candidates.end();
        if (options_.version_2_with_negative && null_)
            answer.null_odds = double{null_->score()} - (has_span ? double{best->score()} : 0.0);
        const bool says_null =
            options_.version_2_with_negative && answer.null_odds > options_.null_score_diff_threshold;
        const auto chosen = says_null ? std::ranges::find_if(answer.candidates, is_null) : best;
        if (chosen != answer.candidates.end()) answer.chosen = *chosen;
        return answer;
    }

    const AnswerOptions& options_;
    std::vector<Candidate> found_;
    std::optional<Candidate> null_;  // of the window that gives it the least score
};

nlohmann::ordered_json as_json(const std::vector<Candidate>& candidates) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& c : candidates)
        list.push_back({{"score", c.score()},
                        {"start_logit", c.start_logit},
                        {"end_logit", c.end_logit},
                        {"text", c.text},
                        {"probability", c.probability}});
    return list;
}

}  // namespace

std::vector<Candidate> QuestionAnswer::best(std::size_t count) const {
    std::vector<Candidate> out{chosen};
    for (const auto& candidate : candidates)
        if (out.size() < count && !(candidate.begin == chosen.begin && candidate.end == chosen.end))
            out.push_back(candidate);
    return out;
}

std::string QuestionAnswer::best_span() const {
    const auto best = std::ranges::find_if(candidates, is_span);
    return best == candidates.end() ? "" : best->text;
}

void check_options(const AnswerOptions& o) {
    if (o.n_best_size < 1) fail_usage("n_best_size: {} given; expected at least 1", o.n_best_size);
    if (o.max_answer_length < 1) fail_usage("max_answer_length: {} given; expected at least 1", o.max_answer_length);
    if (std::isnan(o.null_score_diff_threshold)) fail_usage("null_score_diff_threshold: is no number");
}

namespace {

void check_finite(std::span<const float> logits, const std::string& id) {
    // An answer's score is the sum of two.
    const auto broken = std::ranges::find_if_not(logits, [](float value) { return std::isfinite(2.0F * value); });
    if (broken != logits.end()) fail("the model's result for question {} is {}, expected a finite number", id, *broken);
}

}  // namespace

std::vector<QuestionAnswer> choose_answers(const QuestionSet& set, std::span<const Window> windows,
                                           std::span<const float> logits, const AnswerOptions& options) {
    std::vector<QuestionAnswer> answers;
    std::size_t next = 0, at = 0;
    for (std::size_t i = 0; i < set.questions.size(); ++i) {
        QuestionCandidates candidates(options);
        for (; next < windows.size() && windows[next].question == i; ++next) {
            const auto size = 2 * windows[next].tokens;
            if (at + size > logits.size()) fail("{}: fewer logits than tokens", set.file.string());
            check_finite(logits.subspan(at, size), set.questions[i].id);
            candidates.add(windows[next], WindowLogits(logits.subspan(at, size)));
            at += size;
        }
        answers.push_back(std::move(candidates).finish(set.contexts[set.questions[i].context]));
    }
    if (next != windows.size() || at != logits.size()) fail("{}: logits of other windows", set.file.string());
    return answers;
}

namespace {

nlohmann::ordered_json answer_json(const Candidate& c, ScoreKind kind) {
    if (kind == ScoreKind::logits)
        return {{"answer", c.text}, {"logits", {c.start_logit, c.end_logit}}, {"start", c.begin}, {"end", c.end}};
    return {{"answer", c.text}, {"score", c.probability}, {"start", c.begin}, {"end", c.end}};
}

void write_json_row(std::ostream& out, const Question& question, const QuestionAnswer& answer, std::size_t top_k,
                    ScoreKind kind) {
    nlohmann::ordered_json row{{"id", question.id}};
    row.update(answer_json(answer.chosen, kind));
    if (top_k > 1) {
        auto& list = row["candidates"] = nlohmann::ordered_json::array();
        for (std::size_t i = 0; i < std::min(top_k, answer.candidates.size()); ++i)
            list.push_back(answer_json(answer.candidates[i], kind));
    }
    const auto columns = question.columns.empty() ? nlohmann::json::object() : nlohmann::json::parse(question.columns);
    for (const auto& [key, value] : columns.items())
        if (!row.contains(key)) row[key] = value;
    out << json_text(row) << '\n';
}

void write_tsv_row(std::ostream& out, const std::string& id, const Candidate& c, const char* rank, ScoreKind kind) {
    const auto scores = kind == ScoreKind::logits ? fmt::format("{}\t{}", c.start_logit, c.end_logit)
                                                  : fmt::format("{}", c.probability);
    out << tsv_cell(id) << rank << '\t' << tsv_cell(c.text) << fmt::format("\t{}\t{}\t{}\n", scores, c.begin, c.end);
}

}  // namespace

void write_answers(std::ostream& out, PredictionFormat format, const QuestionSet& set,
                   const std::vector<QuestionAnswer>& answers, std::int64_t top_k, ScoreKind kind) {
    if (top_k < 1) fail_usage("top_k: {} given; expected at least 1", top_k);
    const bool tsv = format == PredictionFormat::tsv;
    if (tsv)
        out << fmt::format("id\t{}answer\t{}\tstart\tend\n", top_k > 1 ? "rank\t" : "",
                           kind == ScoreKind::logits ? "start_logit\tend_logit" : "score");
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const auto& id = set.questions[i].id;
        if (!tsv)
            write_json_row(out, set.questions[i], answers[i], static_cast<std::size_t>(top_k), kind);
        else if (top_k == 1)
            write_tsv_row(out, id, answers[i].chosen, "", kind);
        else
            for (std::size_t rank = 1; const auto& candidate : answers[i].best(static_cast<std::size_t>(top_k)))
                write_tsv_row(out, id, candidate, fmt::format("\t{}", rank++).c_str(), kind);
    }
    if (!out) fail("the answers can't be written");
}

void save_answers(const std::filesystem::path& directory, const std::string& prefix, const QuestionSet& set,
                  const std::vector<QuestionAnswer>& answers, const AnswerOptions& options) {
    make_folder(directory);
    const auto save = [&](const std::string& name, const auto& value_of) {
        AtomicFile file(directory / (prefix + name));
        for (std::size_t i = 0; i < answers.size(); ++i)
            file.write(fmt::format("{}\n    {}: {}", i == 0 ? '{' : ',', json_text(nlohmann::json(set.questions[i].id)),
                                   json_text(nlohmann::ordered_json(value_of(answers[i])))));
        file.write("\n}\n");
        file.commit();
    };
    save("predictions.json", [](const auto& answer) { return answer.chosen.text; });
    save("nbest_predictions.json", [](const auto& answer) { return as_json(answer.candidates); });
    if (options.version_2_with_negative) save("null_odds.json", [](const auto& answer) { return answer.null_odds; });
}

}  // namespace moebert
