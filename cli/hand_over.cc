#include "hand_over.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "commands.h"
#include "core/error.h"
#include "core/world.h"
#include "launch.h"
#include "train/jobs.h"

namespace moebert::cli {
namespace {

constexpr std::array kWithoutTraining = {"tokenize", "merge-importance", "hash-balance", "split",  "evaluate",
                                         "predict",  "convert",          "bench",        "inspect"};

}  // namespace

bool can_do(const std::vector<std::string>& arguments) {
    if (arguments.empty() || read_world().size > 1) return false;
    return std::ranges::find(kWithoutTraining, arguments.front()) != kWithoutTraining.end();
}

void hand_over(const std::vector<std::string>& arguments) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "moebert-train";
    become(program.c_str(), arguments);
    fail("{}: {}; it has the subcommands that train, and belongs beside moebert", program.string(),
         std::strerror(errno));
}

// Never asked for: see above.
void add_finetune(CLI::App&, const Session&) {}
void add_importance(CLI::App&, const Session&) {}
void add_distill(CLI::App&, const Session&) {}

}  // namespace moebert::cli

namespace moebert {

Share join(const World&) { return {}; }  // of one process

}  // namespace moebert
