// The subcommands that need libtorch, in a build without it: they say so.
#include "commands.h"
#include "core/error.h"
#include "hand_over.h"
#include "train/jobs.h"

namespace moebert::cli {
namespace {

void add_missing(CLI::App& app, const std::string& name) {
    auto* command = app.add_subcommand(name, "(not in this build, which is without libtorch)");
    command->allow_extras();
    command->callback([name] {
        fail_usage("{}: this build is without libtorch (MOEBERT_TRAIN=OFF); configure with -DMOEBERT_TRAIN=ON", name);
    });
}

}  // namespace

void hand_over(const std::vector<std::string>&) {}

void add_finetune(CLI::App& app, const Session&) { add_missing(app, "finetune"); }
void add_importance(CLI::App& app, const Session&) { add_missing(app, "importance"); }
void add_distill(CLI::App& app, const Session&) { add_missing(app, "distill"); }

}  // namespace moebert::cli

namespace moebert {

Share join(const World& world) {
    if (world.size > 1) fail_usage("{} processes: this build is without libtorch, which they need", world.size);
    return {};
}

}  // namespace moebert
