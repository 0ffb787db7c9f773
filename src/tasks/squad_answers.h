// Answers out of the logits of start and end, as Hugging Face's run_qa picks them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/options.h"
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
    visit("n_best_size", o.n_best_size, "candidates kept of each question, and starts and ends tried of each window");
    visit("max_answer_length", o.max_answer_length, "longest answer in tokens");
    visit("version_2_with_negative", o.version_2_with_negative, "questions may have no answer (as in SQuAD 2.0)");
    visit("null_score_diff_threshold", o.null_score_diff_threshold,
          "no answer is given where it scores better than the best one by more than this");
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
    std::string text;                   // "" for no answer
    std::vector<Candidate> candidates;  // best first; none when no span is allowed
    double null_odds = 0.0;             // score of no answer less that of the best one; with version_2_with_negative
};

// One for each question. `logits` are (tokens, 2), start and end, of all windows one after the other.
std::vector<QuestionAnswer> choose_answers(const QuestionSet& set, std::span<const Window> windows,
                                           std::span<const float> logits, const AnswerOptions& options);

// predictions.json, nbest_predictions.json and, with version_2_with_negative, null_odds.json, in run_qa's layout;
// `prefix` ("eval_") stands before the names.
void save_answers(const std::filesystem::path& directory, const std::string& prefix, const QuestionSet& set,
                  const std::vector<QuestionAnswer>& answers, const AnswerOptions& options);

}  // namespace moebert
