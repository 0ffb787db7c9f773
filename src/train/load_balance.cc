#include "train/load_balance.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "train/log_window.h"

namespace moebert {
namespace {

constexpr double kKept = 0.9;      // of what a step's load counts, at the next step
constexpr double kGrowth = 1.1;    // of the weight, at a step that is out of balance
constexpr double kDecline = 0.98;  // and at one that isn't

double parse_weight(const std::string& option) {
    double value = 0.0;
    const auto* end = option.data() + option.size();
    const auto [rest, error] = std::from_chars(option.data(), end, value);
    if (error != std::errc{} || rest != end || !(value >= 0) || !std::isfinite(value))
        fail_usage("load_balance: '{}' given; expected a number, 0 or more, or auto", option);
    return value;
}

double largest_share(const std::vector<std::vector<double>>& counts) {
    double largest = 0.0;
    for (const auto& layer : counts) {
        const double total = std::accumulate(layer.begin(), layer.end(), 0.0);
        if (total > 0) largest = std::max(largest, *std::ranges::max_element(layer) / total);
    }
    return largest;
}

}  // namespace

double balanced_share(std::size_t experts) { return std::min(2.0 / static_cast<double>(experts), 2.0 / 3.0); }

LoadBalance::LoadBalance(const std::string& option)
    : is_auto_(option == "auto"), weight_(is_auto_ ? kMost : parse_weight(option)) {}

nlohmann::json LoadBalance::setting() const { return is_auto_ ? nlohmann::json("auto") : nlohmann::json(weight_); }

void LoadBalance::observe(const ExpertLoad& load) {
    if (!is_auto_ || load.empty() || load.front().size() < 2) return;
    recent_.resize(load.size());
    for (std::size_t k = 0; k < load.size(); ++k) {
        recent_[k].resize(load[k].size());
        for (std::size_t e = 0; e < load[k].size(); ++e)
            recent_[k][e] = kKept * recent_[k][e] + static_cast<double>(load[k][e]);
    }
    const bool is_balanced = largest_share(recent_) <= balanced_share(load.front().size());
    weight_ = is_balanced ? std::max(kLeast, kDecline * weight_) : std::min(kMost, kGrowth * weight_);
}

nlohmann::json LoadBalance::state() const { return {{"weight", weight_}, {"recent", recent_}}; }

void LoadBalance::restore(const nlohmann::json& state, const ModelConfig& config) {
    if (!is_auto_) return;
    weight_ = state.at("weight");
    recent_ = state.at("recent");
    check_state(weight_ >= kLeast && weight_ <= kMost, "load_balance.weight");
    const auto is_layer = [&](const auto& layer) {
        return config.moe && std::ssize(layer) == config.moe->num_experts &&
               std::ranges::all_of(layer, [](double count) { return count >= 0 && std::isfinite(count); });
    };
    check_state(
        recent_.empty() || (std::ssize(recent_) == config.num_hidden_layers && std::ranges::all_of(recent_, is_layer)),
        "load_balance.recent");
}

void LoadWatch::observe(const ExpertLoad& load, std::int64_t step) {
    constexpr std::int64_t kSteps = 50;  // to judge at once; a gate's first ones, before it has learnt, don't count
    if (!config_.moe || load.empty()) return;
    add_load(load_, load);
    if (++steps_ < kSteps) return;
    if (std::exchange(has_settled_, true) && !has_warned_) judge(step);
    last_ = std::exchange(load_, {});
    steps_ = 0;
}

void LoadWatch::finish(std::int64_t step) {
    if (!last_.empty()) add_load(load_, last_);  // few steps say little
    if (has_settled_) judge(step);
}

void LoadWatch::judge(std::int64_t step) {
    constexpr std::int64_t kLeastItems = 50;  // an expert: fewer may be unequal by chance
    const auto experts = config_.moe->num_experts;
    const auto items = std::accumulate(load_.front().begin(), load_.front().end(), std::int64_t{0});
    const auto [layer, expert, share] = moebert::largest_share(load_);
    if (experts < 2 || items < kLeastItems * experts || share <= std::max(0.6, 1.5 / static_cast<double>(experts)))
        return;
    has_warned_ = true;
    const auto method = config_.moe->route_method;
    sink_.warning("step {}: layer {}: expert {} gets {:.0f} % of the {}, the other {} share the rest: {}", step, layer,
                  expert, 100.0 * share, method == RouteMethod::gate_sentence ? "sentences" : "tokens", experts - 1,
                  is_gated(method) ? "give --load_balance auto, or a larger weight"
                                   : "--route_method hash-balance gives experts equal shares");
}

}  // namespace moebert
