#include "train/training_log.h"

#include <sstream>

#include "core/error.h"
#include "core/json_text.h"
#include "io/file.h"

namespace moebert {

namespace {

// What a run that is gone wrote after step `last`, a torn last line among it, will be written again.
void cut_log(const std::filesystem::path& file, std::int64_t last) {
    if (!std::filesystem::exists(file)) return;
    std::istringstream in(read_text(file));
    std::string kept;
    for (std::string line; std::getline(in, line);) {
        const auto value = nlohmann::json::parse(line, nullptr, false);
        if (value.is_object() && value.contains("step") && value["step"].is_number() && value["step"] <= last)
            kept += line + "\n";
    }
    write_file_atomically(file, kept);
}

}  // namespace

TrainingLog::TrainingLog(const TrainOptions& options, std::optional<std::int64_t> resumed) {
    const std::filesystem::path directory = options.output_dir;
    make_folder(directory);
    file_ = directory / "train_log.jsonl";
    if (resumed) cut_log(file_, *resumed);
    out_.open(file_, resumed ? std::ios::app : std::ios::trunc);
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
