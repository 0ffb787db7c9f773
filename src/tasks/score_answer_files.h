// The scores of files of answers, without a model: what the official scripts of SQuAD compute.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tasks/data_options.h"

namespace moebert {

struct AnswerFiles {
    std::string predictions;      // {"id": "text", ...}; "" for no answer
    std::string null_odds;        // {"id": 0.3, ...}; may be absent
    double na_prob_thresh = 1.0;  // odds over it count as no answer
};

// SQuAD 1.1's or, with task_name squad_v2 or version_2_with_negative, 2.0's scores, keys in the official order.
// Questions that the file lacks are warnings, one each, and count as the official script counts them: 0 in 1.1, left
// out in 2.0.
nlohmann::ordered_json score_answer_files(const DataOptions& options, Split split, const AnswerFiles& files,
                                          const Sink& sink);

}  // namespace moebert
