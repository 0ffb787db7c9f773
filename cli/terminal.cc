#include "terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

namespace moebert::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string clock_text(double seconds) {
    const auto s = std::lround(seconds);
    return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                    : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

class Bar {
public:
    void show(const Progress& progress) {
        if (progress.what != what_) {
            what_ = progress.what;
            start_ = Clock::now();
        }
        const bool finished = progress.done >= progress.total;
        if (!finished && Clock::now() - drawn_ < std::chrono::milliseconds(100)) return;
        drawn_ = Clock::now();
        draw(progress);
        if (finished) {
            std::fputc('\n', stderr);
            what_.clear();
            visible_ = false;
        }
    }

    // Before a line of text: the bar makes room.
    void clear() {
        if (visible_) std::fputs("\r\033[K", stderr);
        visible_ = false;
    }

private:
    void draw(const Progress& p) {
        constexpr int kWidth = 24;
        const double share = p.total > 0 ? p.done / p.total : 1.0;
        const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
        const auto filled = static_cast<std::size_t>(share * kWidth);
        const auto text = fmt::format("\r\033[K{} {}{} {:.0f}/{:.0f}  {}  {} left", p.what, std::string(filled, '#'),
                                      std::string(kWidth - filled, '.'), p.done, p.total, p.detail,
                                      clock_text(share > 0 ? elapsed * (1 - share) / share : 0));
        std::fputs(text.c_str(), stderr);
        std::fflush(stderr);
        visible_ = true;
    }

    std::string what_;
    Clock::time_point start_, drawn_;
    bool visible_ = false;
};

}  // namespace

Sink terminal_sink() {
    const auto bar = isatty(STDERR_FILENO) != 0 ? std::make_shared<Bar>() : nullptr;
    const auto line = [bar](std::string_view prefix, std::string_view text) {
        if (bar) bar->clear();
        fmt::print(stderr, "{}{}\n", prefix, text);
    };
    Sink sink;
    sink.on_info = [line](std::string_view text) { line("", text); };
    sink.on_warning = [line](std::string_view text) { line("warning: ", text); };
    if (bar) sink.on_progress = [bar](const Progress& progress) { bar->show(progress); };
    return sink;
}

}  // namespace moebert::cli
