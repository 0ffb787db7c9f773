#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "command_line.h"
#include "commands.h"
#include "core/json_text.h"
#include "engine/jobs.h"
#include "io/file.h"
#include "io/json.h"
#include "sharing.h"
#include "tasks/score_answer_files.h"

namespace moebert::cli {

namespace {

struct EvaluateCommand {
    InferenceOptions inference;
    DataOptions data;
    std::string split = "validation", output_dir;
    AnswerFiles files;
};

template <class Visitor>
void describe(Visitor& visit, EvaluateCommand& o) {
    visit("split", o.split, "train, validation or test; it must have labels");
    visit("output_dir", o.output_dir, "folder for eval_results.json (the model's own)");
    visit("predictions", o.files.predictions,
          "score this file of answers to questions, a JSON object of texts by id, instead of a model's");
    visit("null_odds", o.files.null_odds, "with it, a JSON object of numbers by id: how much speaks for no answer");
    visit("na_prob_thresh", o.files.na_prob_thresh, "null_odds over this count as no answer");
}

// As the official scripts print it.
void score_files(const EvaluateCommand& o, const Sink& sink) {
    if (!o.inference.model_name_or_path.empty())
        fail_usage("--predictions scores a file; leave --model_name_or_path out");
    if (!o.output_dir.empty()) check_can_write_into(o.output_dir);
    const auto scores = score_answer_files(o.data, parse_split(o.split), o.files, sink);
    std::cout << json_text(scores, 2) << '\n';
    if (o.output_dir.empty()) return;
    make_folder(o.output_dir);
    save_json(std::filesystem::path(o.output_dir) / "eval_results.json", scores);
}

void run(EvaluateCommand o, const Session& session) {
    o.data = with_limit(o.data, o.data.max_eval_samples);
    if (!o.files.predictions.empty()) return session.world.is_first() ? score_files(o, session.sink) : void();
    if (!o.files.null_odds.empty()) fail_usage("--null_odds: --predictions is needed with it");
    const auto& model = o.inference.model_name_or_path;
    if (model.empty()) fail_usage("--model_name_or_path is needed (or --predictions)");
    if (!o.output_dir.empty()) check_can_write_into(o.output_dir);
    const std::filesystem::path output_dir = o.output_dir.empty() ? model : o.output_dir;
    check_model_folder(model);
    if (std::filesystem::exists(output_dir) && !std::filesystem::is_directory(output_dir))
        fail_usage("{}: expected a folder", output_dir.string());
    std::optional<OutputFolder> output;
    if (session.world.is_first()) output.emplace(output_dir);
    o.data = for_model(o.data, load_model_config(model));
    const auto result = run_evaluate(shared(o.inference, session.world), o.data, parse_split(o.split), session.sink);
    if (!session.world.is_first()) return;
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "{}", result.class_table);
    print_result(result.metrics);  // first: it is there even if the folder can't be written to
    save_json(output_dir / "eval_results.json", result.metrics);
    if (!result.answers.empty())
        save_answers(output_dir, "eval_", result.questions, result.answers, answer_options(o.data));
}

}  // namespace

void add_evaluate(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand(
        "evaluate", "Score a checkpoint, dense or mixture of experts, on labelled data; or a file of answers");
    auto o = std::make_shared<EvaluateCommand>();
    command->add_option("--model_name_or_path", o->inference.model_name_or_path, "checkpoint directory");
    bind(*command, "Data", o->data);
    bind(*command, "Evaluation", *o);
    bind(*command, "Inference", o->inference);
    command->callback([o, &session] { run(*o, session); });
}

}  // namespace moebert::cli
