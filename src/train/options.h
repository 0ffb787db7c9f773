// Options of the training jobs; flags named as in Hugging Face's TrainingArguments.
#pragma once

#include <optional>
#include <string>

#include "core/options.h"

namespace moebert {

struct TrainOptions {
    std::string output_dir;
    bool overwrite_output_dir = false;
    std::int64_t per_device_train_batch_size = 8;
    std::int64_t per_device_eval_batch_size = 32;
    std::int64_t gradient_accumulation_steps = 1;
    std::string optim = "adamw_torch";
    double learning_rate = 5e-5;
    double weight_decay = 0.0;
    double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;
    double max_grad_norm = 1.0;
    std::optional<double> dropout;
    double label_smoothing_factor = 0.0;
    bool group_by_length = false;
    double num_train_epochs = 3.0;
    std::int64_t max_steps = -1;
    std::string lr_scheduler_type = "linear";
    double warmup_ratio = 0.0;
    std::int64_t warmup_steps = 0;
    std::int64_t seed = 42;
    std::string evaluation_strategy = "no";
    std::optional<double> eval_steps;
    std::string save_strategy = "no";
    double save_steps = 500;
    std::optional<std::int64_t> save_total_limit;
    std::string resume_from_checkpoint;
    bool load_best_model_at_end = false;
    std::string metric_for_best_model;
    std::optional<bool> greater_is_better;
    std::int64_t early_stopping_patience = 0;
    double logging_steps = 50;
    std::string logging_dir;
    std::string report_to = "none";
    bool bf16 = false;
    bool fp16 = false;
    std::int64_t num_threads = 0;
    std::int64_t ddp_timeout = 1800;
    bool use_cpu = false;
};

template <class Visitor>
void describe(Visitor& visit, TrainOptions& o) {
    visit("output_dir", o.output_dir, "where the model, its results and logs go");
    visit("overwrite_output_dir", o.overwrite_output_dir,
          "write into an output folder that is not empty; its checkpoint-N and checkpoint-best go");
    visit("per_device_train_batch_size", o.per_device_train_batch_size, "sentences a training step, for every process",
          {"train_batch_size"});
    visit("per_device_eval_batch_size", o.per_device_eval_batch_size, "sentences a batch in evaluation",
          {"eval_batch_size"});
    visit("gradient_accumulation_steps", o.gradient_accumulation_steps, "batches added up before each optimiser step");
    visit("optim", o.optim, "adamw_torch, adamw_torch_fused or adamw_hf: all are the same AdamW here");
    visit("learning_rate", o.learning_rate, "peak learning rate of AdamW");
    visit("weight_decay", o.weight_decay, "decoupled weight decay, not for biases and LayerNorm weights");
    visit("adam_beta1", o.adam_beta1, "AdamW's decay of the gradient's mean");
    visit("adam_beta2", o.adam_beta2, "AdamW's decay of the squared gradient's mean");
    visit("adam_epsilon", o.adam_epsilon, "AdamW's epsilon");
    visit("max_grad_norm", o.max_grad_norm, "gradients are clipped to this norm; 0: not at all");
    visit("dropout", o.dropout,
          "rate of hidden states and attention while training (the model's: hidden_dropout_prob and so on)");
    visit("label_smoothing_factor", o.label_smoothing_factor,
          "classification: share of the training target that all classes get alike");
    visit("group_by_length", o.group_by_length,
          "sentences of similar length in a step, as Hugging Face groups them; batches have no padding anyway");
    visit("num_train_epochs", o.num_train_epochs, "passes over the training data");
    visit("max_steps", o.max_steps, "optimiser steps, instead of epochs, when positive");
    visit("lr_scheduler_type", o.lr_scheduler_type,
          "linear, cosine, cosine_with_restarts (of one cycle), polynomial (power 1, to 1e-7), constant or "
          "constant_with_warmup");
    visit("warmup_ratio", o.warmup_ratio, "share of the steps in which the learning rate rises");
    visit("warmup_steps", o.warmup_steps, "the same as a number of steps, before warmup_ratio");
    visit("seed", o.seed, "of initial weights, data order and dropout");
    visit("evaluation_strategy", o.evaluation_strategy, "evaluate while training: no, steps or epoch",
          {"eval_strategy"});
    visit("eval_steps", o.eval_steps,
          "with evaluation_strategy steps: evaluate every N steps; below 1 a share of all steps (logging_steps)");
    visit("save_strategy", o.save_strategy, "write checkpoint-N while training: no, steps or epoch");
    visit("save_steps", o.save_steps, "with save_strategy steps: save every N steps; below 1 a share of all steps");
    visit("save_total_limit", o.save_total_limit, "keep only the newest so many of checkpoint-N");
    visit("resume_from_checkpoint", o.resume_from_checkpoint,
          "go on from this checkpoint-N; latest: the newest one in output_dir that is whole, or none in a new folder");
    visit("load_best_model_at_end", o.load_best_model_at_end, "keep the best evaluated model instead of the last");
    visit("metric_for_best_model", o.metric_for_best_model, "which metric is to choose it (the task's)");
    visit("greater_is_better", o.greater_is_better, "whether more of it is better (yes, but for a loss or error)");
    visit("early_stopping_patience", o.early_stopping_patience,
          "stop after so many evaluations without a better one; 0: never");
    visit("logging_steps", o.logging_steps, "log losses every N steps; below 1 a share of all steps");
    visit("logging_dir", o.logging_dir, "folder of tensorboard's files (output_dir/runs)");
    visit("report_to", o.report_to, "none or tensorboard");
    visit("bf16", o.bf16, "matrix products in bfloat16");
    visit("fp16", o.fp16, "matrix products in float16, with loss scaling; on a CPU in bfloat16");
    visit("num_threads", o.num_threads, "CPU threads; 0: one a core, shared among the processes of a machine");
    visit("use_cpu", o.use_cpu, "not the GPU, where this build has a use for one", {"no_cuda"});
    visit("ddp_timeout", o.ddp_timeout,
          "several processes: seconds to wait for the others, to start and in every exchange");
}

struct DistillOptions {
    double distill_weight = 1.0;
    std::string load_balance = "auto";
    std::string student_name_or_path;
};

template <class Visitor>
void describe(Visitor& visit, DistillOptions& o) {
    visit("distill_weight", o.distill_weight,
          "lambda: weight of the layers' and the prediction's distance to the teacher", {"moebert_distill"});
    visit("load_balance", o.load_balance,
          "gated routing: weight of the load-balancing loss; auto: as much as keeps experts in use, 0.01 to 1",
          {"moebert_load_balance"});
    visit("student_name_or_path", o.student_name_or_path,
          "a mixture of experts made by `moebert split`, instead of splitting the teacher here");
}

}  // namespace moebert
