// The metrics of SQuAD 1.1 and 2.0, equal to the official evaluation scripts' digit for digit.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/squad.h"

namespace moebert {

// An answer as it is compared: its words in lower case, without ASCII punctuation and articles.
std::vector<std::string> normalize_answer(std::string_view text);

// Whether the words are the same; and the harmonic mean of precision and recall of words, of which repeated ones count
// as often as they occur.
double exact_match(const std::vector<std::string>& prediction, const std::vector<std::string>& answer);
double word_f1(const std::vector<std::string>& prediction, const std::vector<std::string>& answer);

using PredictedAnswers = std::map<std::string, std::string>;  // id -> text, "" for no answer
// id and how much speaks for no answer, in the order of the file: it decides between equal ones.
using NoAnswerOdds = std::vector<std::pair<std::string, double>>;

// {"exact_match", "f1"} in percent. A question without a prediction scores 0; `missing` takes the ids.
nlohmann::ordered_json score_squad_v1(const QuestionSet& set, const PredictedAnswers& predictions,
                                      std::vector<std::string>* missing = nullptr);

// {"exact", "f1", "total", "HasAns_exact", ..., "NoAns_exact", ...} in percent, and with `odds` "best_exact",
// "best_exact_thresh", "best_f1" and "best_f1_thresh". Questions whose odds are over the threshold count as answered by
// "". A question without a prediction is left out; `missing` takes the ids.
nlohmann::ordered_json score_squad_v2(const QuestionSet& set, const PredictedAnswers& predictions,
                                      const NoAnswerOdds* odds = nullptr, double threshold = 1.0,
                                      std::vector<std::string>* missing = nullptr);

// The names of those that tell how good a model is.
std::vector<std::string> score_names(bool version_2);

// A JSON object of texts (or numbers) by id. Throws an InputError.
PredictedAnswers read_predictions(const std::filesystem::path& file);
NoAnswerOdds read_no_answer_odds(const std::filesystem::path& file);

}  // namespace moebert
