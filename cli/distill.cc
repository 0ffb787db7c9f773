#include "training.h"

namespace moebert::cli {

void add_distill(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand("distill", "Distil a fine-tuned BERT into a mixture of experts");
    struct Options : TrainingCommand {
        MoeOptions moe;
        DistillOptions distill;
    };
    auto options = std::make_shared<Options>();
    options->bind(*command);
    bind(*command, "Mixture of experts", options->moe);
    bind(*command, "Distillation", options->distill);
    bind(*command, "Training", options->job.train);
    options->ignored.bind(*command, options->script);
    command->callback([command, options, &session] {
        options->start(*command, session);
        options->print(run_distill(options->job, options->moe, options->distill, session.sink));
    });
}

}  // namespace moebert::cli
