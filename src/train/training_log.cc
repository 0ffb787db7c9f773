#include "train/training_log.h"

#include "core/error.h"
#include "core/json_text.h"
#include "io/file.h"
#include "train/log_lines.h"

namespace moebert {

namespace {

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
    if (resumed && std::filesystem::exists(file_))
        write_file_atomically(file_, lines_up_to(read_text(file_), *resumed));
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
