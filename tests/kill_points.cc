// A library to be preloaded: it counts the steps by which a program makes what it wrote permanent, writes them to the
// file MOEBERT_STEPS_LOG and kills the process before step number MOEBERT_KILL_AT.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<int> steps{0};

void note(const char* line) {
    const char* log = std::getenv("MOEBERT_STEPS_LOG");
    if (log == nullptr) return;
    const int file = ::open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return;
    if (::write(file, line, std::strlen(line)) < 0) std::abort();
    ::close(file);
}

void step(const char* what, const char* from, const char* to = "") {
    char line[10000];
    std::snprintf(line, sizeof line, "%s %s %s\n", what, from, to);
    note(line);
    const char* last = std::getenv("MOEBERT_KILL_AT");
    if (last != nullptr && ++steps == std::atoi(last)) ::kill(::getpid(), SIGKILL);
}

// The function that would have been called.
template <class Function>
Function next(const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int fsync(int file) {
    char link[64], path[4096] = "";
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const auto size = ::readlink(link, path, sizeof path - 1);
    if (size > 0) path[size] = '\0';
    step("sync", path);
    return next<int (*)(int)>("fsync")(file);
}

int rename(const char* from, const char* to) {
    step("rename", from, to);
    return next<int (*)(const char*, const char*)>("rename")(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
    step("exchange", from, to);
    return next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(from_folder, from, to_folder, to,
                                                                                    flags);
}

int unlink(const char* path) {
    step("unlink", path);
    return next<int (*)(const char*)>("unlink")(path);
}
}
