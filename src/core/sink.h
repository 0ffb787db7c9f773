// Where a long job says what it does. The library itself never prints; the caller decides what becomes of this.
#pragma once

#include <fmt/core.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace moebert {

struct Progress {
    std::string what;  // "training"
    double done = 0;   // of `total` steps
    double total = 0;
    std::string detail;  // "loss 0.213, 1840 tokens/s"
};

// Every member may be empty.
struct Sink {
    std::function<void(std::string_view)> on_info;
    std::function<void(std::string_view)> on_warning;
    std::function<void(const Progress&)> on_progress;

    template <class... Args>
    void info(fmt::format_string<Args...> format, Args&&... args) const {
        if (on_info) on_info(fmt::format(format, std::forward<Args>(args)...));
    }
    template <class... Args>
    void warning(fmt::format_string<Args...> format, Args&&... args) const {
        if (on_warning) on_warning(fmt::format(format, std::forward<Args>(args)...));
    }
    void progress(const Progress& progress) const {
        if (on_progress) on_progress(progress);
    }
};

}  // namespace moebert
