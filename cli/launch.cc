#include "launch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace moebert::cli {
namespace {

constexpr const char* kErrors = "MOEBERT_ERRORS_TO";  // a file descriptor

volatile std::sig_atomic_t last_signal = 0;
void note(int signal) { last_signal = signal == SIGALRM ? SIGKILL : signal; }

// A port that nobody uses now.
int free_port() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    const bool found = listener >= 0 && ::bind(listener, any, size) == 0 && ::getsockname(listener, any, &size) == 0;
    const int error = errno;
    if (listener >= 0) ::close(listener);
    if (!found) fail("nproc: no free port: {}", std::strerror(error));
    return ntohs(address.sin_port);
}

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

class Launcher {
public:
    Launcher(int processes, const std::vector<std::string>& arguments) : arguments_(arguments) {
        struct sigaction action {};
        action.sa_handler = note;  // without SA_RESTART: waitpid() returns
        ::sigaction(SIGINT, &action, nullptr);
        ::sigaction(SIGTERM, &action, nullptr);
        ::sigaction(SIGALRM, &action, nullptr);
        const int port = free_port();
        for (int rank = 0; rank < processes; ++rank) children_.push_back(start(rank, processes, port));
    }
    ~Launcher() {
        signal_all(SIGKILL);
        for (const auto& child : children_) ::close(child.errors);
    }
    Launcher(const Launcher&) = delete;
    Launcher& operator=(const Launcher&) = delete;

    int run() {
        int code = 0;
        std::string message;
        for (std::size_t left = children_.size(); left > 0;) {
            int status = 0;
            const pid_t pid = ::waitpid(-1, &status, 0);
            if (last_signal != 0) signal_all(last_signal);
            last_signal = 0;
            for (std::size_t rank = 0; rank < children_.size(); ++rank) {
                auto& child = children_[rank];
                if (child.pid != pid) continue;
                child.running = false;
                --left;
                if (status == 0 || code != 0) continue;
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
                message = child.message();
                if (WIFSIGNALED(status))
                    message = fmt::format("process {} of {} was ended by signal {} ({})", rank, children_.size(),
                                          WTERMSIG(status), strsignal(WTERMSIG(status)));
                ::alarm(kPatience);  // the others notice by themselves; those that don't are ended
            }
        }
        if (code != 0 && !report_to_launcher(message)) fmt::print(stderr, "moebert: {}\n", message);
        return code;
    }

private:
    static constexpr unsigned kPatience = 10;  // seconds

    Child start(int rank, int processes, int port) const {
        int errors[2];
        if (::pipe2(errors, O_CLOEXEC) != 0) fail("nproc: can't make a pipe: {}", std::strerror(errno));
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid < 0) fail("nproc: can't start process {}: {}", rank, std::strerror(errno));
        if (pid > 0) {
            ::close(errors[1]);
            return {pid, errors[0]};
        }
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // no orphans, however this process ends
        if (::getppid() != parent) ::_exit(1);
        ::setpgid(0, 0);  // a terminal's Ctrl-C is passed on, once
        ::fcntl(errors[1], F_SETFD, 0);
        execute(rank, processes, port, errors[1]);
        ::_exit(1);
    }

    void execute(int rank, int processes, int port, int errors) const {
        const auto set = [](const char* name, int value) { ::setenv(name, std::to_string(value).c_str(), 1); };
        set("RANK", rank);
        set("LOCAL_RANK", rank);
        set("WORLD_SIZE", processes);
        set("LOCAL_WORLD_SIZE", processes);
        set("MASTER_PORT", port);
        set(kErrors, errors);
        ::setenv("MASTER_ADDR", "127.0.0.1", 1);
        become("/proc/self/exe", arguments_);
    }

    void signal_all(int signal) const {
        for (const auto& child : children_)
            if (child.running) ::kill(child.pid, signal);
    }

    const std::vector<std::string>& arguments_;
    std::vector<Child> children_;
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
    const char* descriptor = std::getenv(kErrors);
    if (!descriptor) return false;
    return ::write(std::atoi(descriptor), message.data(), message.size()) == static_cast<ssize_t>(message.size());
}

}  // namespace moebert::cli
