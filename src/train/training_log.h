// What a run logs: JSON lines in output_dir/train_log.jsonl, and TensorBoard's files when asked for.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "train/event_file.h"
#include "train/options.h"

namespace moebert {

class TrainingLog {
public:
    // Begins anew, or after the lines up to step `resumed`.
    TrainingLog(const TrainOptions& options, std::optional<std::int64_t> resumed);

    // One line. Numbers become scalars `group/name` in TensorBoard.
    void write(const std::string& group, std::int64_t step, nlohmann::json values);

private:
    std::filesystem::path file_;
    std::ofstream out_;
    std::unique_ptr<EventFile> events_;
};

}  // namespace moebert
