// The training loop that fine-tuning and distillation share.
#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/sink.h"
#include "tasks/features.h"
#include "tasks/metrics.h"
#include "train/load_balance.h"
#include "train/losses.h"
#include "train/model.h"
#include "train/options.h"
#include "train/processes.h"

namespace moebert {

struct StepLoss {
    torch::Tensor total;
    std::vector<torch::Tensor> terms;        // logged one by one, under TrainingJob's names; undefined: none
    std::vector<torch::Tensor> expert_load;  // a layer: (N)
};

struct TrainingJob {
    Model& model;
    std::span<const Feature> features;
    std::function<StepLoss(const Batch&, const ForwardOptions&, StepShare)> loss = {};
    std::vector<std::string> terms = {};     // names of the loss's terms
    std::function<Metrics()> evaluate = {};  // on the validation split; may be empty
    std::string best_metric = {};            // which of evaluate's chooses, more being better
    // It goes with every saved model.
    TokenizerSource tokenizer_source = {};
    // What beside the options decides the result: a resumed run needs the same.
    nlohmann::json settings = {};
    // These three go into the log and the results. Those of the teacher are a distillation's.
    nlohmann::json options = {};  // of the run, by name
    Metrics teacher = {};         // its scores
    std::optional<ModelConfig> teacher_config = {};
    // Of gated routing; gets every step's load, and is restored from a checkpoint.
    LoadBalance* balance = nullptr;
    // checkpoint-N to go on from; `model` is that one's.
    std::optional<std::filesystem::path> checkpoint = {};
    // Each trains on its part of every batch; the first one writes and reports. All call evaluate.
    const Processes& processes = alone();
};

struct TrainingResult {
    std::int64_t steps = 0;
    double epochs = 0.0;
    double loss = 0.0;  // mean over all steps
    double seconds = 0.0;
    double first_step_seconds = 0.0;
    std::int64_t tokens = 0;
    std::int64_t sentences = 0;
    double best = NAN;  // of best_metric; NaN: not evaluated
    std::int64_t best_step = -1;
    ExpertLoad expert_load;  // of the log's last line
};

// What matrix products are computed in, by the options and what the device can.
torch::ScalarType compute_dtype(const TrainOptions& options, torch::Device device, const Sink& sink);

// Trains the model in place. Throws an Error that names the step when the loss is no longer finite, and after SIGINT or
// SIGTERM, once a checkpoint is saved, Interrupted.
TrainingResult train(const TrainingJob& job, const TrainOptions& options, const Sink& sink);

// Refuses options that can't be, and an output folder that is not empty without overwrite_output_dir or
// resume_from_checkpoint.
void check_options(const TrainOptions& options);

}  // namespace moebert
