// check_options() of trainer.h.
#include <cmath>

#include <fmt/format.h>

#include "core/error.h"
#include "io/file.h"
#include "train/schedule.h"
#include "train/trainer.h"

namespace moebert {
namespace {

void require(bool ok, const char* name, const std::string& value, const char* expected) {
    if (!ok) fail_usage("{}: {} given; expected {}", name, value, expected);
}

void require_strategy(const char* name, const std::string& value) {
    require(value == "no" || value == "steps" || value == "epoch", name, "'" + value + "'", "no, steps or epoch");
}

}  // namespace

void check_options(const TrainOptions& o) {
    if (o.output_dir.empty()) fail_usage("--output_dir is needed");
    const auto positive = [](const char* name, std::int64_t value) {
        require(value >= 1, name, std::to_string(value), "at least 1");
    };
    // More are a mistake, and would make numbers of sentences and steps overflow.
    constexpr auto kMost = 1'000'000;
    const auto sensible = [](const char* name, std::int64_t value) {
        require(value >= 1 && value <= kMost, name, std::to_string(value), "1 to 1000000");
    };
    sensible("per_device_train_batch_size", o.per_device_train_batch_size);
    sensible("per_device_eval_batch_size", o.per_device_eval_batch_size);
    sensible("gradient_accumulation_steps", o.gradient_accumulation_steps);
    require(o.num_train_epochs > 0 && o.num_train_epochs <= kMost, "num_train_epochs",
            fmt::to_string(o.num_train_epochs), "more than 0, at most 1000000");
    const auto steps = [](const char* name, double value) {
        const bool whole = value >= 1 && value <= 1e9 && value == std::floor(value);
        require(whole || (value > 0 && value < 1), name, fmt::to_string(value),
                "a whole number of steps, or a share of all steps between 0 and 1");
    };
    steps("logging_steps", o.logging_steps);
    steps("save_steps", o.save_steps);
    if (o.eval_steps) steps("eval_steps", *o.eval_steps);
    if (o.save_total_limit) positive("save_total_limit", *o.save_total_limit);
    require(o.learning_rate >= 0 && std::isfinite(o.learning_rate), "learning_rate", fmt::to_string(o.learning_rate),
            "0 or more");
    require(o.warmup_ratio >= 0 && o.warmup_ratio <= 1, "warmup_ratio", fmt::to_string(o.warmup_ratio), "0 to 1");
    require(o.weight_decay >= 0 && std::isfinite(o.weight_decay), "weight_decay", fmt::to_string(o.weight_decay),
            "0 or more");
    require(o.max_grad_norm >= 0, "max_grad_norm", fmt::to_string(o.max_grad_norm), "0 or more");
    const auto is_decay = [](double beta) { return beta >= 0 && beta < 1; };
    require(is_decay(o.adam_beta1), "adam_beta1", fmt::to_string(o.adam_beta1), "0 or more, below 1");
    require(is_decay(o.adam_beta2), "adam_beta2", fmt::to_string(o.adam_beta2), "0 or more, below 1");
    if (o.dropout)
        require(*o.dropout >= 0 && *o.dropout < 1, "dropout", fmt::to_string(*o.dropout), "0 or more, below 1");
    require(o.label_smoothing_factor >= 0 && o.label_smoothing_factor < 1, "label_smoothing_factor",
            fmt::to_string(o.label_smoothing_factor), "0 or more, below 1");
    require(o.optim == "adamw_torch" || o.optim == "adamw_torch_fused" || o.optim == "adamw_hf", "optim",
            "'" + o.optim + "'", "adamw_torch, adamw_torch_fused or adamw_hf, which are the same AdamW");
    require(o.adam_epsilon > 0 && std::isfinite(o.adam_epsilon), "adam_epsilon", fmt::to_string(o.adam_epsilon),
            "more than 0");  // weights without a gradient would be 0 / 0
    require(o.ddp_timeout >= 1 && o.ddp_timeout <= kMost, "ddp_timeout", std::to_string(o.ddp_timeout), "1 to 1000000");
    require(o.warmup_steps >= 0, "warmup_steps", std::to_string(o.warmup_steps), "0 or more");
    require(o.early_stopping_patience >= 0, "early_stopping_patience", std::to_string(o.early_stopping_patience),
            "0 or more");
    require(o.report_to == "none" || o.report_to == "tensorboard" || o.report_to == "all", "report_to",
            "'" + o.report_to + "'", "none or tensorboard");
    Schedule(o, 1);
    require_strategy("evaluation_strategy", o.evaluation_strategy);
    require_strategy("save_strategy", o.save_strategy);
    if ((o.load_best_model_at_end || o.early_stopping_patience > 0) && o.evaluation_strategy == "no")
        fail_usage("load_best_model_at_end and early_stopping_patience need --evaluation_strategy steps or epoch");
    if (is_occupied(o.output_dir) && !o.overwrite_output_dir && o.resume_from_checkpoint.empty())
        fail_usage(
            "{}: the folder is not empty; give --overwrite_output_dir to write into it, or --resume_from_checkpoint "
            "latest to go on with an interrupted run",
            o.output_dir);
}

}  // namespace moebert
