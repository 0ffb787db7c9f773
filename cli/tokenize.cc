#include <chrono>
#include <iostream>

#include "command_line.h"
#include "commands.h"
#include "io/checkpoint.h"
#include "tasks/feature_set.h"
#include "tasks/window_lines.h"
#include "text/json_lines.h"

namespace moebert::cli {

namespace {

struct TokenizeCommand {
    std::string model_name_or_path;
    bool pairs = false, statistics = false;
    std::optional<std::int64_t> max_seq_length;
    DataOptions data;  // questions
};

template <class Visitor>
void describe(Visitor& visit, TokenizeCommand& o) {
    visit("max_seq_length", o.max_seq_length, "cut longer inputs (never); of questions 384");
    visit("pairs", o.pairs, "a tab separates the two sentences of a line");
    visit("statistics", o.statistics, "print the number of tokens and the rate to standard error at the end");
    visit("task_name", o.data.task_name, "squad or squad_v2: print the windows of a file's questions instead");
    visit("train_file", o.data.train_file, "whose questions; those whose answer has no place are left out");
    visit("validation_file", o.data.validation_file, "whose questions, all of them");
    visit(
        "doc_stride", o.data.doc_stride,
        "questions: tokens that a window shares with the next (128, or a third of max_seq_length where that is less)");
}

void print_windows(const TokenizeCommand& o, const Sink& sink) {
    const bool trains = !o.data.train_file.empty();
    const auto set = load_questions(o.data, trains ? Split::train : Split::validation, sink);
    auto config = read_text_config(o.model_name_or_path);
    config.problem_type = ProblemType::question_answering;
    const auto input = load_text_input(o.model_name_or_path, config, o.max_seq_length, 0, sink);
    const auto start = std::chrono::steady_clock::now();
    const auto made =
        make_windows(set, input, window_options(o.data, trains ? FeatureUse::training : FeatureUse::evaluation, input));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    write_windows(std::cout, set, made);
    if (o.statistics)
        sink.info("{} questions, {} windows, {:.3f} s, {:.0f} windows/s", set.questions.size(), made.windows.size(),
                  seconds, static_cast<double>(made.windows.size()) / std::max(1e-9, seconds));
}

void print_lines(const TokenizeCommand& o, const Sink& sink) {
    TokenizeOptions options;
    if (o.max_seq_length.value_or(0) < 0)
        fail_usage("max_seq_length: {} given; expected 0 (no limit) or more", *o.max_seq_length);
    if (o.max_seq_length.value_or(0) > 0) options.max_length = static_cast<std::size_t>(*o.max_seq_length);
    options.pairs = o.pairs;
    check_model_folder(o.model_name_or_path);
    std::vector<std::string> warnings;
    const auto tokenizer = Tokenizer::load(o.model_name_or_path, &warnings);
    for (const auto& warning : warnings) sink.warning("{}", warning);
    const auto s = tokenize_lines(std::cin, std::cout, tokenizer, options);
    if (o.statistics)
        sink.info("{} lines, {} tokens, {:.3f} s, {:.0f} tokens/s", s.lines, s.tokens, s.seconds,
                  static_cast<double>(s.tokens) / std::max(1e-9, s.seconds));
}

}  // namespace

void add_tokenize(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand("tokenize",
                                       "Print ids, tokens and character offsets of lines from standard input, or the "
                                       "windows of a file's questions, as JSON lines");
    auto o = std::make_shared<TokenizeCommand>();
    command->add_option("--model_name_or_path", o->model_name_or_path, "folder with vocab.txt or tokenizer.json")
        ->required();
    bind(*command, "Text", *o);
    command->callback([o, &session] {
        std::ios::sync_with_stdio(false);
        const bool questions = is_squad(o->data.task_name);
        if (!questions && !o->data.task_name.empty())
            fail_usage("task_name {}: expected squad or squad_v2", o->data.task_name);
        questions ? print_windows(*o, session.sink) : print_lines(*o, session.sink);
    });
}

}  // namespace moebert::cli
