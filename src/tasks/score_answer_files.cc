#include "tasks/score_answer_files.h"

#include "core/error.h"
#include "tasks/squad_metrics.h"

namespace moebert {

nlohmann::ordered_json score_answer_files(const DataOptions& options, Split split, const AnswerFiles& files,
                                          const Sink& sink) {
    const bool version_2 = answer_options(options).version_2_with_negative;
    if (!files.null_odds.empty() && !version_2)
        fail_usage("null_odds: only questions that may have no answer have them (--task_name squad_v2)");
    const auto set = load_questions(options, split, sink);
    if (!set.is_labelled) throw InputError(set.file, "", "has no answers to compare with");
    const auto predictions = read_predictions(files.predictions);
    std::optional<NoAnswerOdds> odds;
    if (!files.null_odds.empty()) odds = read_no_answer_odds(files.null_odds);
    std::vector<std::string> missing;
    auto scores = version_2 ? score_squad_v2(set, predictions, odds ? &*odds : nullptr, files.na_prob_thresh, &missing)
                            : score_squad_v1(set, predictions, &missing);
    for (const auto& id : missing)
        sink.warning("{}: no prediction for {}: {}", files.predictions, id, version_2 ? "left out" : "it scores 0");
    return scores;
}

}  // namespace moebert
