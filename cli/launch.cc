#include "launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "core/error.h"
#include "core/world.h"
#include "terminal.h"

namespace moebert::cli {
namespace {

constexpr const char* kErrors = "MOEBERT_ERRORS_TO";  // a file descriptor

// Signals that the launcher waits for, instead of being interrupted by them: none is lost then, whenever it comes.
class Signals {
public:
    Signals() {
        ::sigemptyset(&set_);
        for (const int signal : {SIGINT, SIGTERM, SIGALRM, SIGCHLD}) ::sigaddset(&set_, signal);
        ::signal(SIGCHLD, SIG_DFL);  // ignored, children would leave no status
        ::sigprocmask(SIG_BLOCK, &set_, &before_);
    }
    int wait() const {
        int signal = 0;
        return ::sigwait(&set_, &signal) == 0 ? signal : SIGTERM;
    }
    void restore() const { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t set_{}, before_{};
};

// A folder of this user's alone, that goes with it: for the file by which the processes find each other. A port would
// be open to all users, and on every interface.
class PrivateFolder {
public:
    PrivateFolder() : path_((std::filesystem::temp_directory_path() / "moebert-XXXXXX").string()) {
        if (!::mkdtemp(path_.data())) fail("nproc: {}: can't be made: {}", path_, std::strerror(errno));
    }
    ~PrivateFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    PrivateFolder(const PrivateFolder&) = delete;
    PrivateFolder& operator=(const PrivateFolder&) = delete;

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

struct Child {
    pid_t pid = -1;
    int errors = -1;  // the end to read
    bool running = true;

    std::string message() const {
        std::string text(4096, ' ');
        const auto count = ::read(errors, text.data(), text.size());
        text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return text;
    }
};

// The folder of a process's program; empty where it can't be known.
std::filesystem::path program_folder(const std::string& process) {
    std::error_code unknown;
    return std::filesystem::read_symlink("/proc/" + process + "/exe", unknown).parent_path();
}

// Where the launcher reads this process's error. The environment says so, and others may have set it: it counts where
// the parent is one of our programs, and for a pipe.
std::optional<int> launchers_pipe() {
    const char* text = std::getenv(kErrors);
    if (!text) return std::nullopt;
    int descriptor = -1;
    const auto* end = text + std::strlen(text);
    if (std::from_chars(text, end, descriptor).ptr != end || descriptor <= STDERR_FILENO) return std::nullopt;
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || !S_ISFIFO(status.st_mode)) return std::nullopt;
    const auto own = program_folder("self");
    if (own.empty() || own != program_folder(std::to_string(::getppid()))) return std::nullopt;
    return descriptor;
}

class Launcher {
public:
    Launcher(int processes, const std::vector<std::string>& arguments) : arguments_(arguments) {
        for (int rank = 0; rank < processes; ++rank) children_.push_back(start(rank, processes));
    }
    ~Launcher() {
        signal_all(SIGKILL);
        for (const auto& child : children_) ::close(child.errors);
    }
    Launcher(const Launcher&) = delete;
    Launcher& operator=(const Launcher&) = delete;

    int run() {
        while (std::ranges::any_of(children_, &Child::running)) {
            const int signal = signals_.wait();
            if (signal == SIGALRM) signal_all(SIGKILL);
            if (signal == SIGINT || signal == SIGTERM) signal_all(passed_on_ = signal);
            int status = 0;
            for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG))
                take_status(pid, status);
        }
        if (code_ != 0 && !report_to_launcher(message_)) put_on_standard_error(fmt::format("moebert: {}\n", message_));
        return code_;
    }

private:
    static constexpr unsigned kPatience = 10;  // seconds

    // The first failure is the job's.
    void take_status(pid_t pid, int status) {
        const auto child = std::ranges::find(children_, pid, &Child::pid);
        if (child == children_.end()) return;
        child->running = false;
        if (status == 0 || code_ != 0) return;
        code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        message_ = child->message();
        if (WIFSIGNALED(status)) {
            const int signal = WTERMSIG(status);
            if (signal == passed_on_) code_ = 128 + signal;
            message_ = fmt::format("process {} of {} was ended by signal {} ({})", child - children_.begin(),
                                   children_.size(), signal, strsignal(signal));
        }
        ::alarm(kPatience);  // the others notice by themselves; those that don't are ended
    }

    Child start(int rank, int processes) const {
        int errors[2];
        if (::pipe2(errors, O_CLOEXEC) != 0) fail("nproc: can't make a pipe: {}", std::strerror(errno));
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid < 0) fail("nproc: can't start process {}: {}", rank, std::strerror(errno));
        if (pid > 0) {
            ::close(errors[1]);
            return {pid, errors[0]};
        }
        signals_.restore();
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // no orphans, however this process ends
        if (::getppid() != parent) ::_exit(1);
        ::setpgid(0, 0);  // a terminal's Ctrl-C is passed on, once
        ::fcntl(errors[1], F_SETFD, 0);
        execute(rank, processes, errors[1]);
        ::_exit(1);
    }

    void execute(int rank, int processes, int errors) const {
        const auto set = [](const char* name, int value) { ::setenv(name, std::to_string(value).c_str(), 1); };
        set("RANK", rank);
        set("LOCAL_RANK", rank);
        set("WORLD_SIZE", processes);
        set("LOCAL_WORLD_SIZE", processes);
        set(kErrors, errors);
        ::setenv("MASTER_ADDR", (std::string(kStoreFile) + folder_.path() + "/store").c_str(), 1);
        become("/proc/self/exe", arguments_);
    }

    void signal_all(int signal) const {
        for (const auto& child : children_)
            if (child.running) ::kill(child.pid, signal);
    }

    const std::vector<std::string>& arguments_;
    const Signals signals_;  // before the children
    const PrivateFolder folder_;
    std::vector<Child> children_;
    int code_ = 0, passed_on_ = 0;
    std::string message_;
};

}  // namespace

int launch(int processes, const std::vector<std::string>& arguments) { return Launcher(processes, arguments).run(); }

void become(const char* program, const std::vector<std::string>& arguments) {
    std::string name = "moebert";
    std::vector<std::string> copies = arguments;
    std::vector<char*> pointers{name.data()};
    for (auto& argument : copies) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    ::execv(program, pointers.data());
}

bool report_to_launcher(const std::string& message) {
    const auto descriptor = launchers_pipe();
    if (!descriptor) return false;
    return ::write(*descriptor, message.data(), message.size()) == static_cast<ssize_t>(message.size());
}

}  // namespace moebert::cli
