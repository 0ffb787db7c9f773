// What the subcommands that train or score have in common: model, data and training options.
#pragma once

#include "command_line.h"
#include "commands.h"
#include "hugging_face.h"
#include "train/jobs.h"

namespace moebert::cli {

struct TrainingCommand {
    JobContext job;
    StageOptions stage;
    ScriptOptions script;
    Ignored ignored;

    // Binds what every training-side subcommand understands.
    void bind(CLI::App& app) {
        app.add_option("--model_name_or_path", job.model_name_or_path, "checkpoint directory")
            ->required()
            ->group("Model");
        cli::bind(app, "Data", job.data);
        cli::bind(app, "", stage);
    }

    // After parsing: the command line's remains.
    void start(const CLI::App& app, const Session& session) {
        check_stage(stage, app.get_name());
        ignored.warn(app, session.sink);
        job.command = session.command;
        job.world = session.world;
        prepare_runtime(job.train.num_threads, job.world, session.sink);
    }

    // The first process's, for all of them.
    void print(const nlohmann::json& result) const {
        if (job.world.is_first()) print_result(result);
    }
};

}  // namespace moebert::cli
