#include "train/best_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"
#include "core/json_text.h"
#include "io/checkpoint.h"
#include "io/file.h"
#include "train/training_checkpoint.h"

namespace moebert {

namespace {

constexpr const char* kRecord = "best.json";

}  // namespace

std::string BestModel::metric() const {
    const auto name = options_.metric_for_best_model.empty() ? job_.best_metric : options_.metric_for_best_model;
    return name.starts_with("eval_") ? name.substr(5) : name;
}

std::filesystem::path BestModel::directory() const { return best_checkpoint(options_.output_dir); }

// Which model the folder has.
std::string BestModel::record() const {
    return json_text(nlohmann::json{{"step", step_}, {"metric", metric()}, {"value", value_}});
}

bool BestModel::is_there() const {
    const auto file = directory() / kRecord;
    return first_finds(job_.processes, [&] {
               return std::string(std::filesystem::exists(file) && read_text(file) == record() ? "yes" : "");
           }) == "yes";
}

void BestModel::judge(const Metrics& metrics, std::int64_t step) {
    const auto name = metric();
    const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const auto& m) { return m.first == name; });
    if (found == metrics.end()) fail_usage("metric_for_best_model: '{}' is none of the task's metrics", name);
    const auto value = found->second;
    const auto plain = name.substr(0, name.ends_with("_mm") ? name.size() - 3 : name.size());  // MNLI's mismatched part
    const bool greater = options_.greater_is_better.value_or(plain != "loss" && plain != "mse");
    // A correlation is NaN where all predictions are alike: anything is better than that.
    if (step_ < 0 || (std::isnan(value_) && !std::isnan(value)) || (greater ? value > value_ : value < value_)) {
        value_ = value;
        step_ = step;
        worse_ = 0;
        if (options_.load_best_model_at_end && job_.processes.is_first()) save();
        return;
    }
    ++worse_;
    if (is_patience_over()) sink_.info("step {}: no better {} in {} evaluations; stopping early", step, name, worse_);
}

bool BestModel::is_patience_over() const {
    return options_.early_stopping_patience > 0 && worse_ >= options_.early_stopping_patience;
}

// The record goes first and comes last: without it a model is not taken for the best.
void BestModel::save() const {
    std::filesystem::remove(directory() / kRecord);
    save_model(job_.model, directory(), job_.tokenizer_source);
    write_file_atomically(directory() / kRecord, record());
}

nlohmann::json BestModel::state() const {
    return {{"best_metric", value_}, {"best_metric_name", metric()}, {"best_step", step_}, {"worse", worse_}};
}

void BestModel::restore(const nlohmann::json& state, bool is_last) {
    const auto& value = state.at("best_metric");
    value_ = value.is_null() ? NAN : value.get<double>();  // JSON has no NaN
    step_ = state.at("best_step");
    worse_ = state.at("worse");
    if (step_ < 0) return;
    if (const std::string name = state.at("best_metric_name"); name != metric())
        forget(fmt::format("it was chosen by {}", name), is_last);
    else if (options_.load_best_model_at_end && !is_there())
        forget(fmt::format("{} has another model or none", directory().string()), is_last);
}

void BestModel::forget(const std::string& reason, bool is_last) {
    const auto what = fmt::format("the best model so far, of step {}, does not count: {}", step_, reason);
    if (options_.load_best_model_at_end && (is_last || is_patience_over()))
        fail("{}; no step is left to find another", what);
    sink_.warning("{}; the best of the steps to come is taken", what);
    value_ = NAN;
    step_ = -1;
    worse_ = 0;
}

void BestModel::load(std::int64_t last) const {
    if (step_ < 0 || step_ == last) return;
    const auto to = parameters(job_.model);
    const torch::NoGradGuard no_grad;
    if (job_.processes.is_first()) {
        auto best = load_model(load_checkpoint(directory()));
        const auto from = parameters(best);
        for (std::size_t i = 0; i < to.size(); ++i) to[i].tensor->copy_(*from[i].tensor);
    }
    for (const auto& parameter : to) job_.processes.broadcast(*parameter.tensor);
}

}  // namespace moebert
