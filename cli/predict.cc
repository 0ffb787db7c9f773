#include <iostream>
#include <sstream>

#include "command_line.h"
#include "commands.h"
#include "core/utf8.h"
#include "engine/jobs.h"
#include "io/file.h"
#include "sharing.h"
#include "tasks/outputs.h"
#include "tasks/predictions.h"
#include "tasks/table.h"

namespace moebert::cli {

namespace {

struct PredictCommand {
    InferenceOptions inference;
    DataOptions data;
    std::string split = "test", output_file, output_format = "jsonl", question, context, output_dir;
    std::int64_t top_k = 1;
    bool raw_scores = false;
    std::vector<std::string> texts;  // of the command line: one, or a pair
    std::optional<std::string> text, text_pair;

    ScoreKind score_kind() const { return raw_scores ? ScoreKind::logits : ScoreKind::probabilities; }
};

template <class Visitor>
void describe(Visitor& visit, PredictCommand& o) {
    visit("split", o.split, "with task_name and data_dir: train, validation or test");
    visit("output_file", o.output_file, "where the predictions go (standard output)");
    visit("output_format", o.output_format, "jsonl or tsv");
    visit("raw_scores", o.raw_scores, "the model's outputs (logits) instead of probabilities");
    visit("text", o.text, "the text to classify, in place of a file");
    visit("text_pair", o.text_pair, "with it, the second text of a pair");
    visit("question", o.question, "a question, for a question answering model");
    visit("context", o.context, "the text that answers it");
    visit("top_k", o.top_k, "questions: also the best so many candidates");
    visit("output_dir", o.output_dir,
          "questions: folder for predict_predictions.json, predict_nbest_predictions.json and predict_null_odds.json");
}

Split input_split(const PredictCommand& o) { return o.data.test_file.empty() ? parse_split(o.split) : Split::test; }

bool has_texts(const PredictCommand& o) { return !o.texts.empty() || !o.question.empty() || !o.context.empty(); }

bool reads_standard_input(const PredictCommand& o) {
    if (has_texts(o)) return false;
    if (!o.data.test_file.empty() || !o.data.task_name.empty()) return false;
    for (const auto& [name, file] :
         {std::pair{"train_file", &o.data.train_file}, {"validation_file", &o.data.validation_file}})
        if (!file->empty()) fail_usage("{}: predict reads --test_file, or standard input", name);
    return true;
}

// A Dataset or QuestionSet of lines, cut to max_predict_samples.
template <class Set>
Set first_samples(const PredictCommand& o, Set set) {
    cut_to_limit(o.data, Split::test, set);
    return set;
}

// The texts of the command line, in `texts`, whichever way they are given. What is a file's name is no text: its
// content is meant.
void take_texts(PredictCommand& o) {
    if (o.texts.size() > 2) fail_usage("'{}': a third text; expected one, or the two of a pair", o.texts[2]);
    if (!o.texts.empty() && o.text) fail_usage("text: given beside a text without a name");
    if (o.text) o.texts.push_back(*o.text);
    if (o.text_pair && o.texts.size() != 1) fail_usage("text_pair: given, but no one text that it belongs to");
    if (o.text_pair) o.texts.push_back(*o.text_pair);
    for (const auto& text : o.texts) {
        if (find_malformed_utf8(text)) fail_usage("text: isn't UTF-8");
        std::error_code error;
        if (!o.text && std::filesystem::is_regular_file(text, error))
            fail_usage("{}: is a file; give --test_file {} to predict what is in it, or --text", text, text);
    }
    if (!o.texts.empty() && (!o.question.empty() || !o.context.empty()))
        fail_usage("--question and --context: given beside a text");
    if (!has_texts(o)) return;
    for (const auto& [name, value] : {std::pair{"test_file", &o.data.test_file}, {"task_name", &o.data.task_name}})
        if (!value->empty()) fail_usage("{}: given beside a text; one of them is predicted", name);
}

std::istringstream open_lines(const std::string& file) { return std::istringstream(read_dataset_text(file)); }

Dataset read_lines_of(const PredictCommand& o, std::istream& in, const std::string& name, const Sink& sink) {
    auto dataset = read_lines(in, name, column_names(o.data));
    warn_of_reading(dataset, sink);
    return first_samples(o, std::move(dataset));
}

std::vector<Dataset> read_inputs(const PredictCommand& o, const Sink& sink) {
    const auto& file = o.data.test_file;
    if (!o.texts.empty()) {
        Example example{o.texts.front(), {}, {}};
        if (o.texts.size() == 2) example.sentence2 = o.texts.back();
        return {{"text", "text", {std::move(example)}, {}}};
    }
    if (reads_standard_input(o)) return {read_lines_of(o, std::cin, "standard input", sink)};
    if (format_of(file) != ".txt") return load_datasets(o.data, input_split(o), std::nullopt, sink, LabelUse::ignored);
    auto in = open_lines(file);
    return {read_lines_of(o, in, file, sink)};
}

QuestionSet read_questions(const PredictCommand& o, const Sink& sink) {
    const auto& file = o.data.test_file;
    if (o.texts.size() == 1) fail_usage("text: a question and its context are needed; one text is given");
    if (!o.texts.empty()) return one_question(o.texts.front(), o.texts.back());
    if (has_texts(o)) return one_question(o.question, o.context);
    if (reads_standard_input(o)) return first_samples(o, read_question_lines(std::cin));
    const auto format = format_of(file);
    if (format != ".txt" && format != ".tsv") return load_questions(o.data, input_split(o), sink);
    auto in = open_lines(file);
    return first_samples(o, read_question_lines(in, file));
}

// `write` gets the format and where the predictions go: a file is there whole or not at all.
template <class Write>
void put(const PredictCommand& o, Write write) {
    if (!o.inference.share.is_first()) return;
    const auto format = parse_prediction_format(o.output_format);
    if (o.output_file.empty()) return write(std::cout, format);
    std::ostringstream text;
    write(text, format);
    make_folder(std::filesystem::path(o.output_file).parent_path());
    write_file_atomically(o.output_file, text.view());
}

void answer(const PredictCommand& o, const Sink& sink) {
    const auto questions = read_questions(o, sink);
    const auto answers = run_answer(o.inference, o.data, questions, sink);
    if (!o.output_dir.empty() && o.inference.share.is_first())
        save_answers(o.output_dir, "predict_", questions, answers, answer_options(o.data));
    put(o, [&](std::ostream& out, PredictionFormat format) {
        write_answers(out, format, questions, answers, o.top_k, o.score_kind());
    });
}

// Of MNLI's two, each with its name.
std::vector<PredictionPart> parts_of(const std::vector<Dataset>& datasets) {
    std::vector<PredictionPart> parts;
    for (const auto& dataset : datasets)
        parts.push_back({datasets.size() > 1 ? dataset.name : "", dataset.examples.size(), dataset.kept});
    return parts;
}

void classify(const PredictCommand& o, const Sink& sink) {
    if (!o.question.empty() || !o.context.empty())
        fail_usage("--question and --context: the model is for classification or regression");
    if (!o.output_dir.empty())
        fail_usage("--output_dir: has files of answers; the model gives none (see --output_file)");
    if (o.top_k > 1) fail_usage("--top_k: is for answers; of a classifier all labels' probabilities are given");
    const auto inputs = read_inputs(o, sink);
    const auto found = run_predict(o.inference, o.data, inputs, sink);
    put(o, [&](std::ostream& out, PredictionFormat format) {
        write_predictions(out, format, found.labels, found.logits, parts_of(inputs), o.score_kind());
    });
}

void run(PredictCommand o, const Session& session) {
    parse_prediction_format(o.output_format);
    take_texts(o);
    if (session.world.size > 1 && reads_standard_input(o))
        fail_usage("standard input: {} processes can't share it; give --test_file", session.world.size);
    if (!o.output_file.empty()) check_output_file(o.output_file, o.data, o.inference.model_name_or_path);
    if (!o.output_dir.empty()) check_can_write_into(o.output_dir);
    o.inference = shared(o.inference, session.world);
    if (o.top_k < 1) fail_usage("top_k: {} given; expected at least 1", o.top_k);
    const auto config = load_model_config(o.inference.model_name_or_path);
    o.data = for_model(with_limit(o.data, o.data.max_predict_samples), config);
    (config.problem_type == ProblemType::question_answering ? answer : classify)(o, session.sink);
}

}  // namespace

void add_predict(CLI::App& app, const Session& session) {
    auto* command =
        app.add_subcommand("predict",
                           "Classify sentences or answer questions: of the command line, a file or standard "
                           "input (a line each; a tab between two sentences, or question and context); no "
                           "labels needed");
    auto o = std::make_shared<PredictCommand>();
    command->add_option("--model_name_or_path", o->inference.model_name_or_path, "checkpoint directory")->required();
    command->add_option("texts", o->texts, "a text, or the two of a pair")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    bind(*command, "Data", o->data);
    bind(*command, "Prediction", *o);
    bind(*command, "Inference", o->inference);
    command->callback([o, &session] { run(*o, session); });
}

}  // namespace moebert::cli
