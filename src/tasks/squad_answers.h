// Answers out of the logits of start and end, as Hugging Face's run_qa picks them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/options.h"
#include "tasks/predictions.h"
#include "tasks/squad_features.h"

namespace moebert {

struct AnswerOptions {
    std::int64_t n_best_size = 20;
    std::int64_t max_answer_length = 30;
    bool version_2_with_negative = false;
    double null_score_diff_threshold = 0.0;
};

template <class Visitor>
void describe(Visitor& visit, AnswerOptions& o) {
    visit("n_best_size", o.n_best_size, "questions: candidates kept of each, and starts and ends tried of each window");
    visit("max_answer_length", o.max_answer_length, "questions: longest answer in tokens");
    visit("version_2_with_negative", o.version_2_with_negative,
          "questions: they may have no answer, as in SQuAD 2.0 (task_name squad_v2 says the same)");
    visit("null_score_diff_threshold", o.null_score_diff_threshold,
          "questions: no answer is given where that scores better than the best answer by more than this");
}

void check_options(const AnswerOptions& options);  // throws a UsageError

struct Candidate {
    std::string text;                 // the context's own; "" for no answer
    std::int64_t begin = 0, end = 0;  // in characters of the context
    float start_logit = 0.0F, end_logit = 0.0F;
    double probability = 0.0;  // among the question's candidates

    float score() const { return start_logit + end_logit; }
};

struct QuestionAnswer {
    Candidate chosen;                   // without text for no answer
    std::vector<Candidate> candidates;  // best first; none when no span is allowed
    double null_odds = 0.0;             // score of no answer less that of the best one; with version_2_with_negative

    std::string best_span() const;                         // the best answer that is one, chosen or not
    std::vector<Candidate> best(std::size_t count) const;  // the chosen one, and then the best of the others
};

// One for each question. `logits` are (tokens, 2), start and end, of all windows one after the other.
std::vector<QuestionAnswer> choose_answers(const QuestionSet& set, std::span<const Window> windows,
                                           std::span<const float> logits, const AnswerOptions& options);

// A row a question: {"id": "0", "answer": "Zoë", "score": 0.91, "start": 0, "end": 3}, where the score is the answer's
// probability and start and end are characters of the context; with top_k over 1 also "candidates", the best top_k.
// JSON rows keep the input's other columns, unless one of these parts has their name.
// With ScoreKind::logits "logits", a list of start's and end's, stand in place of the score.
void write_answers(std::ostream& out, PredictionFormat format, const QuestionSet& set,
                   const std::vector<QuestionAnswer>& answers, std::int64_t top_k = 1,
                   ScoreKind kind = ScoreKind::probabilities);

// predictions.json, nbest_predictions.json and, with version_2_with_negative, null_odds.json, in run_qa's layout;
// `prefix` ("eval_") stands before the names.
void save_answers(const std::filesystem::path& directory, const std::string& prefix, const QuestionSet& set,
                  const std::vector<QuestionAnswer>& answers, const AnswerOptions& options);

}  // namespace moebert
