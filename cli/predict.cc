#include <fstream>
#include <iostream>

#include "tasks/predictions.h"
#include "training.h"

namespace moebert::cli {

namespace {

struct PredictCommand {
    std::string model_name_or_path, output_file, output_format = "jsonl";
    DataOptions data;
    EvaluateOptions evaluate;
    std::int64_t num_threads = 0;
};

template <class Visitor>
void describe(Visitor& visit, PredictCommand& o) {
    visit("split", o.evaluate.split, "with task_name and data_dir: train, validation or test");
    visit("per_device_eval_batch_size", o.evaluate.batch_size, "sentences a batch; results don't depend on it",
          {"eval_batch_size", "batch_size"});
    visit("bf16", o.evaluate.bf16, "matrix products in bfloat16");
    visit("num_threads", o.num_threads, "CPU threads; 0: one a core", {"threads"});
    visit("output_file", o.output_file, "where the predictions go (standard output)");
    visit("output_format", o.output_format, "jsonl or tsv");
}

// Labels in the data are not looked at.
void drop_labels(Dataset& dataset) {
    for (auto& example : dataset.examples) example.label.reset();
}

std::vector<Dataset> read_inputs(const PredictCommand& o, const Sink& sink) {
    if (o.data.test_file.empty() && o.data.task_name.empty()) return {read_lines(std::cin)};
    if (o.data.test_file.ends_with(".txt")) {
        std::ifstream in(o.data.test_file);
        if (!in) throw InputError(o.data.test_file, "", "can't be read");
        return {read_lines(in, o.data.test_file)};
    }
    return load_datasets(o.data, o.data.test_file.empty() ? parse_split(o.evaluate.split) : Split::test, std::nullopt,
                         sink);
}

void run(const PredictCommand& o, const Session& session) {
    const auto format = parse_prediction_format(o.output_format);
    prepare_runtime(o.num_threads, session.sink);
    auto inputs = read_inputs(o, session.sink);
    for (auto& dataset : inputs) drop_labels(dataset);
    const auto found = run_predict(o.model_name_or_path, inputs, o.data.max_seq_length, o.evaluate, session.sink);
    if (o.output_file.empty()) return write_predictions(std::cout, format, found.labels, found.logits);
    save_predictions(o.output_file, format, found.labels, found.logits);
}

}  // namespace

void add_predict(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand("predict",
                                       "Classify sentences from a file or standard input (a line each; a tab between "
                                       "two sentences); no labels needed");
    auto o = std::make_shared<PredictCommand>();
    o->evaluate.split = "test";
    command->add_option("--model_name_or_path", o->model_name_or_path, "checkpoint directory")->required();
    bind(*command, "Data", o->data);
    bind(*command, "Prediction", *o);
    command->callback([o, &session] { run(*o, session); });
}

}  // namespace moebert::cli
