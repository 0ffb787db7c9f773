#include "training.h"

namespace moebert::cli {

void add_finetune(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand(
        "finetune", "Fine-tune a pretrained BERT on classification, regression or question answering");
    auto options = std::make_shared<TrainingCommand>();
    options->bind(*command);
    bind(*command, "Training", options->job.train);
    command->get_option("--output_dir")->required();
    options->ignored.hide(*command, {"test_file", "max_predict_samples"});
    options->ignored.bind(*command, options->script);
    command->callback([command, options, &session] {
        options->start(*command, session);
        options->print(run_finetune(options->job, session.sink));
    });
}

}  // namespace moebert::cli
