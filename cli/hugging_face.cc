#include "hugging_face.h"

#include "core/error.h"

namespace moebert::cli {

void check_stage(const StageOptions& stage, const std::string& command) {
    const bool trains = command == "finetune" || command == "distill";
    if (!stage.moebert.empty() && stage.moebert != "moe")
        fail_usage("--moebert: '{}' given; only 'moe' is known", stage.moebert);
    if (command == "finetune" && !stage.moebert.empty())
        fail_usage("--moebert moe: finetune trains a dense model; `moebert distill` makes a mixture of experts");
    if (stage.preprocess_importance && command != "importance")
        fail_usage("--preprocess_importance: that is what `moebert importance` does");
    if (command == "importance" && stage.do_train)
        fail_usage("--do_train: importance doesn't train; `moebert distill` does");
    if (trains && stage.do_predict) fail_usage("--do_predict: that is what `moebert predict` does, afterwards");
    if (trains && stage.do_eval && !stage.do_train)
        fail_usage("--do_eval without --do_train: that is what `moebert evaluate` does");
}

}  // namespace moebert::cli
