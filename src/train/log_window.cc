#include "train/log_window.h"

#include <algorithm>

#include "core/error.h"

namespace moebert {

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Clock::time_point before(double seconds) {
    if (!(seconds >= 0 && seconds < 1e9)) fail("seconds: {} is no time that a run takes", seconds);
    return Clock::now() - std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

void check_state(bool ok, const char* name) {
    if (!ok) fail("{}: is none that a run can have", name);
}

void LogWindow::add(const StepSums& step) {
    sums.loss += step.loss;
    sums.terms.resize(step.terms.size());
    std::ranges::transform(step.terms, sums.terms, sums.terms.begin(), std::plus<>());
    add_load(sums.load, step.load);
    ++steps;
}

nlohmann::json LogWindow::line(const std::vector<std::string>& terms) const {
    nlohmann::json line{{"loss", sums.loss / steps},
                        {"tokens_per_second", static_cast<double>(tokens) / std::max(1e-9, since(start))}};
    for (std::size_t i = 0; i < terms.size(); ++i) line["loss_" + terms[i]] = sums.terms[i] / steps;
    if (!sums.load.empty()) line["expert_load"] = load_shares(sums.load);
    return line;
}

nlohmann::json LogWindow::state() const {
    return {{"loss", sums.loss}, {"terms", sums.terms}, {"load", sums.load},
            {"steps", steps},    {"tokens", tokens},    {"seconds", since(start)}};
}

LogWindow LogWindow::restored(const nlohmann::json& state, std::size_t terms, const ModelConfig& config) {
    LogWindow window{{state.at("loss"), state.at("terms"), state.at("load")},
                     state.at("steps"),
                     state.at("tokens"),
                     before(state.at("seconds"))};
    check_state(window.steps >= 0 && window.tokens >= 0, "window");
    check_state(window.sums.terms.empty() || window.sums.terms.size() == terms, "window.terms");
    check_state(fits(window.sums.load, config), "window.load");
    return window;
}

bool fits(const ExpertLoad& load, const ModelConfig& config) {
    if (load.empty()) return true;
    const auto has_experts = [&](const auto& layer) {
        return config.moe && std::ssize(layer) == config.moe->num_experts;
    };
    return std::ssize(load) == config.num_hidden_layers && std::ranges::all_of(load, has_experts);
}

}  // namespace moebert
