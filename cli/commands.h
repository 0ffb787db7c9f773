// The subcommands: each add_ function gives `app` a subcommand with its options and what to do.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "core/sink.h"
#include "core/world.h"

namespace moebert::cli {

struct Session {
    Sink sink;            // to standard error; of the first process, the others are silent
    std::string command;  // the command line as it was given
    World world;          // the processes that a launcher started for the job
};

void add_tokenize(CLI::App& app, const Session& session);
void add_finetune(CLI::App& app, const Session& session);
void add_importance(CLI::App& app, const Session& session);
void add_merge_importance(CLI::App& app, const Session& session);
void add_hash_balance(CLI::App& app, const Session& session);
void add_split(CLI::App& app, const Session& session);
void add_distill(CLI::App& app, const Session& session);
void add_evaluate(CLI::App& app, const Session& session);
void add_predict(CLI::App& app, const Session& session);
void add_convert(CLI::App& app, const Session& session);
void add_bench(CLI::App& app, const Session& session);
void add_inspect(CLI::App& app, const Session& session);

}  // namespace moebert::cli
