#include <iostream>

#include "command_line.h"
#include "commands.h"
#include "text/json_lines.h"

namespace moebert::cli {

void add_tokenize(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand(
        "tokenize", "Print ids, tokens and character offsets of lines from standard input as JSON lines");
    struct Options {
        std::string model_name_or_path;
        std::int64_t max_seq_length = 0;
        bool pairs = false, statistics = false;
    };
    auto o = std::make_shared<Options>();
    command->add_option("--model_name_or_path", o->model_name_or_path, "folder with vocab.txt or tokenizer.json")
        ->required();
    command->add_option("--max_seq_length", o->max_seq_length, "cut longer inputs; 0: never")->capture_default_str();
    command->add_flag("--pairs", o->pairs, "a tab separates the two sentences of a line");
    command->add_flag("--statistics", o->statistics,
                      "print the number of tokens and the rate to standard error at the end");
    command->callback([o, &session] {
        if (o->max_seq_length < 0) fail_usage("max_seq_length: {} given; expected 0 or more", o->max_seq_length);
        std::ios::sync_with_stdio(false);
        TokenizeOptions options;
        if (o->max_seq_length > 0) options.max_length = static_cast<std::size_t>(o->max_seq_length);
        options.pairs = o->pairs;
        const auto s = tokenize_lines(std::cin, std::cout, Tokenizer::load(o->model_name_or_path), options);
        if (o->statistics)
            session.sink.info("{} lines, {} tokens, {:.3f} s, {:.0f} tokens/s", s.lines, s.tokens, s.seconds,
                              static_cast<double>(s.tokens) / std::max(1e-9, s.seconds));
    });
}

}  // namespace moebert::cli
