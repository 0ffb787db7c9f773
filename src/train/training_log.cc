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
        if (value.is_object() && value.contains("step") && value["step"].is_number() && value["step"] <= last &&
            value.value("event", std::string()) != TrainingLog::kFinal)
            kept += line + "\n";
    }
    write_file_atomically(file, kept);
}

// A number, or a list of layers' lists of experts' numbers.
void add_scalars(EventFile& events, const std::string& tag, std::int64_t step, const nlohmann::json& value) {
    if (value.is_number()) return events.scalar(tag, step, value.get<double>());
    if (!tag.ends_with("/expert_load") || value.empty() || !value.front().is_array()) return;
    for (std::size_t k = 0; k < value.size(); ++k)
        for (std::size_t e = 0; e < value[k].size(); ++e)
            add_scalars(events, fmt::format("{}/layer_{}/expert_{}", tag, k, e), step, value[k][e]);
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
        for (const auto& [name, value] : values.items()) add_scalars(*events_, group + "/" + name, step, value);
    nlohmann::json line{{"event", group}, {"step", step}};
    line.update(values);
    out_ << json_text(line) << '\n' << std::flush;
    if (!out_) fail("{}: can't be written", file_.string());
}

void TrainingLog::describe(const std::string& title, const nlohmann::json& options) {
    if (!events_) return;
    std::string table = "| option | value |\n| --- | --- |\n";
    for (const auto& [name, value] : options.items()) table += fmt::format("| {} | {} |\n", name, json_text(value));
    events_->text(title, table);
}

}  // namespace moebert
