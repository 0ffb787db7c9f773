#include "hand_over.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "commands.h"
#include "core/error.h"
#include "launch.h"
#include "train/jobs.h"

namespace moebert::cli {

void hand_over(const std::vector<std::string>& arguments) {
    const std::string name = arguments.empty() ? "" : arguments.front();
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "moebert-train";
    become(program.c_str(), arguments);
    const int error = errno;
    constexpr std::string_view kTraining[] = {"finetune", "importance", "distill"};
    const bool is_needed = read_world().size > 1 || std::ranges::find(kTraining, name) != std::end(kTraining);
    if (error == ENOENT && !is_needed) return;  // what went wrong shows here too
    fail("{}: {}; it has the subcommands that train, and belongs beside moebert", program.string(),
         std::strerror(error));
}

// Not this program's: asked for, it hands over.
void add_finetune(CLI::App&, const Session&) {}
void add_importance(CLI::App&, const Session&) {}
void add_distill(CLI::App&, const Session&) {}

}  // namespace moebert::cli

namespace moebert {

Share join(const World&) { return {}; }  // of one process

}  // namespace moebert
