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
    command->get_option("--output_dir")->required();
    options->ignored.hide(*command, {"test_file", "max_predict_samples"});
    options->ignored.bind(*command, options->script);
    command->callback([command, options, &session] {
        options->start(*command, session);
        if (!options->distill.student_name_or_path.empty())
            for (const char* name : {"route_method", "num_experts", "expert_size", "shared_size", "split_method",
                                     "importance_file", "hash_list"})
                if (command->get_option(std::string("--") + name)->count() > 0)
                    session.sink.warning("{}: has no effect, since --student_name_or_path names a student that is made",
                                         name);
        options->print(run_distill(options->job, options->moe, options->distill, session.sink));
    });
}

}  // namespace moebert::cli
