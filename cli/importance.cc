#include "moe/importance.h"
#include "training.h"

namespace moebert::cli {

namespace {

// Of TrainOptions what scoring has a use for.
struct ScoringOptions {
    TrainOptions& train;
};

template <class Visitor>
void describe(Visitor& visit, ScoringOptions& o) {
    visit("output_dir", o.train.output_dir,
          "folder for the scores, importance.safetensors; this or output_file is needed");
    visit("overwrite_output_dir", o.train.overwrite_output_dir, "write over scores that are there already");
    visit("per_device_train_batch_size", o.train.per_device_train_batch_size,
          "sentences a pass; the scores don't depend on it", {"train_batch_size"});
    visit("bf16", o.train.bf16, "matrix products in bfloat16");
    visit("fp16", o.train.fp16, "half precision: bfloat16, as with bf16");
    visit("num_threads", o.train.num_threads, "CPU threads; 0: one a core, shared among the processes of a machine");
    visit("use_cpu", o.train.use_cpu, "not the GPU, where this build has a use for one", {"no_cuda"});
    visit("ddp_timeout", o.train.ddp_timeout, "several processes: seconds to wait for the others");
}

}  // namespace

void add_importance(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand("importance", "Score every feed-forward neuron of a fine-tuned BERT");
    struct Options : TrainingCommand {
        ImportanceOptions importance;
        MoeOptions moe;
        DistillOptions distill;
    };
    auto options = std::make_shared<Options>();
    options->job.train.per_device_train_batch_size = 32;
    options->bind(*command);
    ScoringOptions scoring{options->job.train};
    bind(*command, "Scoring", options->importance);
    bind(*command, "Scoring", scoring);
    options->ignored.hide(*command, {"n_best_size", "max_answer_length", "null_score_diff_threshold"});
    options->ignored.bind(*command, options->job.train);
    options->ignored.bind(*command, options->moe);
    options->ignored.bind(*command, options->distill);
    options->ignored.bind(*command, options->script);
    command->callback([command, options, &session] {
        options->start(*command, session);
        options->print(run_importance(options->job, options->importance, session.sink));
    });
}

}  // namespace moebert::cli
