#include "hand_over.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "commands.h"
#include "core/cores.h"
#include "core/error.h"
#include "launch.h"
#include "train/jobs.h"

namespace moebert::cli {
namespace {

// libtorch waits for ever, at the start or at the first step, where the system gives it no memory or no threads.
void check_resources() {
    const auto cores = usable_cores();
    const rlim_t needed = (rlim_t{1200} + 72 * cores) << 20;  // its libraries, and stack and heap of every thread
    rlimit memory{};
    if (::getrlimit(RLIMIT_AS, &memory) == 0 && memory.rlim_cur < needed)
        fail("memory: this process may use {} MB of addresses (ulimit -v); expected {} MB or more for training",
             memory.rlim_cur >> 20, needed >> 20);
    std::vector<std::jthread> threads;
    try {
        while (threads.size() < cores) threads.emplace_back([] {});
    } catch (const std::system_error& error) {
        fail("threads: the system starts {} threads beside this one (ulimit -u); expected {} for training: {}",
             threads.size(), cores, error.code().message());
    }
}

}  // namespace

void hand_over(const std::vector<std::string>& arguments) {
    const std::string name = arguments.empty() ? "" : arguments.front();
    constexpr std::string_view kTraining[] = {"finetune", "importance", "distill"};
    const bool is_needed = read_world().size > 1 || std::ranges::find(kTraining, name) != std::end(kTraining);
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "moebert-train";
    if (is_needed) check_resources();
    become(program.c_str(), arguments);
    const int error = errno;
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
