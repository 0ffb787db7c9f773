#include "training.h"

namespace moebert::cli {

namespace {

struct EvaluateCommand {
    JobContext job;
    EvaluateOptions evaluate;
    std::int64_t num_threads = 0;
};

template <class Visitor>
void describe(Visitor& visit, EvaluateCommand& o) {
    visit("split", o.evaluate.split, "train, validation or test; it must have labels");
    visit("per_device_eval_batch_size", o.evaluate.batch_size, "sentences a batch; results don't depend on it",
          {"eval_batch_size", "batch_size"});
    visit("bf16", o.evaluate.bf16, "matrix products in bfloat16");
    visit("num_threads", o.num_threads, "CPU threads; 0: one a core", {"threads"});
    visit("output_dir", o.evaluate.output_dir, "folder for eval_results.json (the model's own)");
}

}  // namespace

void add_evaluate(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand("evaluate", "Score a checkpoint, dense or mixture of experts, on labelled data");
    auto o = std::make_shared<EvaluateCommand>();
    command->add_option("--model_name_or_path", o->job.model_name_or_path, "checkpoint directory")->required();
    bind(*command, "Data", o->job.data);
    bind(*command, "Evaluation", *o);
    command->callback([o, &session] {
        prepare_runtime(o->num_threads, session.sink);
        if (o->evaluate.output_dir.empty()) o->evaluate.output_dir = o->job.model_name_or_path;
        print_result(run_evaluate(o->job, o->evaluate, session.sink));
    });
}

}  // namespace moebert::cli
