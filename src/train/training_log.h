// What a run logs: JSON lines in output_dir/train_log.jsonl, and TensorBoard's files when asked for.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "train/event_file.h"
#include "train/log_lines.h"
#include "train/options.h"

namespace moebert {

class TrainingLog {
public:
    // Begins anew, or after the lines up to step `resumed`, but for that of the finished run.
    TrainingLog(const TrainOptions& options, std::optional<std::int64_t> resumed);

    // The line of a finished run is of this group.
    static constexpr const char* kFinal = kFinalEvent;

    // One line. Numbers become scalars `group/name` in TensorBoard, experts' shares `group/name/layer_0/expert_0`.
    void write(const std::string& group, std::int64_t step, nlohmann::json values);
    // For TensorBoard alone: options by name, as a table.
    void describe(const std::string& title, const nlohmann::json& options);

private:
    std::filesystem::path file_;
    std::ofstream out_;
    std::unique_ptr<EventFile> events_;
};

}  // namespace moebert
