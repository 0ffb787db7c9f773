#include <iostream>

#include "core/json_text.h"
#include "tasks/score_answer_files.h"
#include "training.h"

namespace moebert::cli {

namespace {

struct EvaluateCommand {
    JobContext job;
    EvaluateOptions evaluate;
    std::int64_t num_threads = 0;
    AnswerFiles files;
};

template <class Visitor>
void describe(Visitor& visit, EvaluateCommand& o) {
    visit("split", o.evaluate.split, "train, validation or test; it must have labels");
    visit("per_device_eval_batch_size", o.evaluate.batch_size, "sentences a batch; results don't depend on it",
          {"eval_batch_size", "batch_size"});
    visit("bf16", o.evaluate.bf16, "matrix products in bfloat16");
    visit("num_threads", o.num_threads, "CPU threads; 0: one a core", {"threads"});
    visit("output_dir", o.evaluate.output_dir, "folder for eval_results.json (the model's own)");
    visit("predictions", o.files.predictions,
          "score this file of answers to questions, a JSON object of texts by id, instead of a model's");
    visit("null_odds", o.files.null_odds, "with it, a JSON object of numbers by id: how much speaks for no answer");
    visit("na_prob_thresh", o.files.na_prob_thresh, "null_odds over this count as no answer");
}

// As the official scripts print it.
void score_files(const EvaluateCommand& o, const Sink& sink) {
    if (!o.job.model_name_or_path.empty()) fail_usage("--predictions scores a file; leave --model_name_or_path out");
    std::cout << json_text(score_answer_files(o.job.data, parse_split(o.evaluate.split), o.files, sink), 2) << '\n';
}

void run(EvaluateCommand& o, const Session& session) {
    if (!o.files.predictions.empty()) return score_files(o, session.sink);
    if (!o.files.null_odds.empty()) fail_usage("--null_odds: --predictions is needed with it");
    if (o.job.model_name_or_path.empty()) fail_usage("--model_name_or_path is needed (or --predictions)");
    prepare_runtime(o.num_threads, session.sink);
    if (o.evaluate.output_dir.empty()) o.evaluate.output_dir = o.job.model_name_or_path;
    print_result(run_evaluate(o.job, o.evaluate, session.sink));
}

}  // namespace

void add_evaluate(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand(
        "evaluate", "Score a checkpoint, dense or mixture of experts, on labelled data; or a file of answers");
    auto o = std::make_shared<EvaluateCommand>();
    command->add_option("--model_name_or_path", o->job.model_name_or_path, "checkpoint directory");
    bind(*command, "Data", o->job.data);
    bind(*command, "Evaluation", *o);
    command->callback([o, &session] { run(*o, session); });
}

}  // namespace moebert::cli
