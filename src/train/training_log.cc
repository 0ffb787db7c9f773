#include "train/training_log.h"

#include "core/error.h"
#include "core/json_text.h"

namespace moebert {

TrainingLog::TrainingLog(const TrainOptions& options) {
    const std::filesystem::path directory = options.output_dir;
    std::filesystem::create_directories(directory);
    file_ = directory / "train_log.jsonl";
    out_.open(file_);
    if (!out_) fail("{}: can't be written", file_.string());
    if (options.report_to == "none") return;
    events_ = std::make_unique<EventFile>(options.logging_dir.empty() ? directory / "runs"
                                                                      : std::filesystem::path(options.logging_dir));
}

void TrainingLog::write(const std::string& group, std::int64_t step, nlohmann::json values) {
    if (events_)
        for (const auto& [name, value] : values.items())
            if (value.is_number()) events_->scalar(group + "/" + name, step, value.get<double>());
    nlohmann::json line{{"event", group}, {"step", step}};
    line.update(values);
    out_ << json_text(line) << '\n' << std::flush;
    if (!out_) fail("{}: can't be written", file_.string());
}

}  // namespace moebert
