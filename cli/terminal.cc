#include "terminal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <memory>

#include "core/error.h"
#include "core/printable.h"

namespace moebert::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string clock_text(double seconds) {
    const auto s = std::lround(seconds);
    return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                    : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

// While it lives, writing into a pipe without a reader fails in this thread, and ends no process.
class NoBrokenPipe {
public:
    NoBrokenPipe() {
        ::sigemptyset(&set_);
        ::sigaddset(&set_, SIGPIPE);
        sigset_t pending;
        ::sigpending(&pending);
        was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
        ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
    }
    ~NoBrokenPipe() {
        const timespec at_once{};
        if (!was_pending_)
            while (::sigtimedwait(&set_, nullptr, &at_once) < 0 && errno == EINTR) continue;
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    NoBrokenPipe(const NoBrokenPipe&) = delete;
    NoBrokenPipe& operator=(const NoBrokenPipe&) = delete;

private:
    sigset_t set_{}, before_{};
    bool was_pending_ = false;
};

// What is under way, and since when.
class Work {
public:
    void take(const Progress& progress) {
        if (progress.what == what_) return;
        what_ = progress.what;
        start_ = Clock::now();
        done_ = progress.done;
    }
    void finish() { what_.clear(); }

    // "300/715  loss 0.2131, 1840 tokens/s  1:20 left"
    std::string text(const Progress& p) const {
        const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count(), done = p.done - done_;
        return fmt::format("{:.0f}/{:.0f}  {}{}{} left", p.done, p.total, p.detail, p.detail.empty() ? "" : "  ",
                           clock_text(done > 0 ? elapsed * (p.total - p.done) / done : 0));
    }

    static double share_of(const Progress& p) { return p.total > 0 ? p.done / p.total : 1.0; }

private:
    std::string what_;
    Clock::time_point start_;
    double done_ = 0;  // then: a training has its evaluations in between, and may go on from a checkpoint
};

// Where there is no terminal: a line now and then.
class Lines {
public:
    void show(const Progress& progress) {
        work_.take(progress);
        if (progress.done >= progress.total) return work_.finish();
        if (Clock::now() - last_ < std::chrono::seconds(30)) return;
        last_ = Clock::now();
        put_on_standard_error(fmt::format("{} {}\n", progress.what, work_.text(progress)));
    }

private:
    Work work_;
    Clock::time_point last_ = Clock::now();
};

class Bar {
public:
    void show(const Progress& progress) {
        work_.take(progress);
        const bool finished = progress.done >= progress.total;
        if (!finished && Clock::now() - drawn_ < std::chrono::milliseconds(100)) return;
        drawn_ = Clock::now();
        draw(progress);
        if (finished) {
            put_on_standard_error("\n");
            work_.finish();
            visible_ = false;
        }
    }

    // Before a line of text: the bar makes room.
    void clear() {
        if (visible_) put_on_standard_error("\r\033[K");
        visible_ = false;
    }

private:
    void draw(const Progress& p) {
        constexpr int kWidth = 24;
        const auto filled = static_cast<std::size_t>(Work::share_of(p) * kWidth);
        put_on_standard_error(fmt::format("\r\033[K{} {}{} {}", p.what, std::string(filled, '#'),
                                          std::string(kWidth - filled, '.'), work_.text(p)));
        visible_ = true;
    }

    Work work_;
    Clock::time_point drawn_;
    bool visible_ = false;
};

}  // namespace

void put_on_standard_error(std::string_view text) {
    const NoBrokenPipe guard;
    while (!text.empty()) {
        const auto written = ::write(STDERR_FILENO, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void keep_standard_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
        const int mode = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;  // what it isn't used for
        if (const int opened = ::open("/dev/null", mode); opened >= 0 && opened != stream) {
            ::dup2(opened, stream);
            ::close(opened);
        }
    }
}

Sink terminal_sink() {
    const auto bar = isatty(STDERR_FILENO) != 0 ? std::make_shared<Bar>() : nullptr;
    const auto line = [bar](std::string_view prefix, std::string_view text) {
        if (bar) bar->clear();
        put_on_standard_error(fmt::format("{}{}\n", prefix, text));
    };
    Sink sink;
    // Names and labels in them come from files.
    sink.on_info = [line](std::string_view text) { line("", printable(text, kMostOfAMessage)); };
    sink.on_warning = [line](std::string_view text) { line("warning: ", printable(text, kMostOfAMessage)); };
    if (bar)
        sink.on_progress = [bar](const Progress& progress) { bar->show(progress); };
    else
        sink.on_progress = [lines = std::make_shared<Lines>()](const Progress& progress) { lines->show(progress); };
    return sink;
}

}  // namespace moebert::cli
