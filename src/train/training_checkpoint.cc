#include "train/training_checkpoint.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/hash.h"
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;

constexpr const char *kState = "trainer_state.json", *kOptimizer = "optimizer.safetensors", *kSums = "checksums.json";
constexpr std::string_view kPrefix = "checkpoint-";

std::optional<std::int64_t> step_of(const fs::path& folder) {
    const auto name = folder.filename().string();
    if (!name.starts_with(kPrefix)) return std::nullopt;
    std::int64_t step = 0;
    const auto* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
    return error == std::errc{} && rest == end && step >= 0 ? std::optional(step) : std::nullopt;
}

fs::path unfinished(const fs::path& folder) {
    return folder.parent_path() / fmt::format(".{}", folder.filename().string());
}

nlohmann::json checksums(const fs::path& folder) {
    auto sums = nlohmann::json::object();
    for (const auto& entry : fs::directory_iterator(folder))
        sums[entry.path().filename().string()] = digest(MappedFile(entry.path()).bytes());
    return sums;
}

}  // namespace

CheckpointWriter::CheckpointWriter(fs::path output_dir, TokenizerSource tokenizer_source,
                                   std::optional<std::int64_t> limit)
    : output_dir_(std::move(output_dir)), tokenizer_source_(std::move(tokenizer_source)), limit_(limit) {
    std::vector<fs::path> left;
    for (const auto& entry : fs::directory_iterator(output_dir_))
        if (entry.path().filename().string().starts_with(fmt::format(".{}", kPrefix))) left.push_back(entry);
    for (const auto& folder : left) fs::remove_all(folder);
}

CheckpointWriter::~CheckpointWriter() {
    if (writing_.valid()) writing_.wait();
}

fs::path CheckpointWriter::save(TrainingSnapshot snapshot) {
    wait();
    auto folder = output_dir_ / fmt::format("{}{}", kPrefix, snapshot.step);
    writing_ = std::async(std::launch::async, [this, snapshot = std::move(snapshot)]() mutable {
        write(snapshot);
        snapshot = {};  // so that the next one gets its memory
    });
    return folder;
}

void CheckpointWriter::wait() {
    if (writing_.valid()) writing_.get();
}

void CheckpointWriter::write(const TrainingSnapshot& snapshot) const {
    const auto folder = output_dir_ / fmt::format("{}{}", kPrefix, snapshot.step);
    const auto temporary = unfinished(folder);
    try {
        fs::remove_all(temporary);  // of a run that was killed while it saved
        save_checkpoint(temporary, snapshot.config, snapshot.model, tokenizer_source_);
        write_safetensors(temporary / kOptimizer, snapshot.optimizer);
        save_json(temporary / kState, snapshot.state);
        save_json(temporary / kSums, checksums(temporary));
        replace_folder(temporary, folder);
    } catch (...) {
        std::error_code ignored;
        fs::remove_all(temporary, ignored);
        throw;
    }
    if (!limit_) return;
    auto all = list_checkpoints(output_dir_);
    // Of a run that went on from an earlier one, which are no better: they may be damaged.
    std::erase_if(all, [&](const fs::path& other) { return *step_of(other) > snapshot.step; });
    for (auto i = static_cast<std::size_t>(*limit_); i < all.size(); ++i) fs::remove_all(all[i]);
}

std::vector<fs::path> list_checkpoints(const fs::path& output_dir) {
    std::vector<std::pair<std::int64_t, fs::path>> found;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(output_dir, none))
        if (const auto step = step_of(entry.path()); step && entry.is_directory()) found.emplace_back(*step, entry);
    std::sort(found.rbegin(), found.rend());
    std::vector<fs::path> folders;
    for (auto& [step, folder] : found) folders.push_back(std::move(folder));
    return folders;
}

fs::path best_checkpoint(const fs::path& output_dir) { return output_dir / fmt::format("{}best", kPrefix); }

void remove_checkpoints(const fs::path& output_dir) {
    for (const auto& folder : list_checkpoints(output_dir)) fs::remove_all(folder);
    fs::remove_all(best_checkpoint(output_dir));
}

void check_checkpoint(const fs::path& checkpoint) {
    const auto file = checkpoint / kSums;
    auto expected = parse_json_object(read_text(file), file, {.max_depth = 1});
    for (const auto* needed : {kState, kOptimizer, "config.json"})
        if (!expected.contains(needed)) throw InputError(file, needed, "expected its checksum, found none");
    for (const auto& [name, sum] : expected.items()) {
        if (fs::path(name).filename() != name) throw InputError(file, name, "expected the name of a file");
        const auto found = digest(MappedFile(checkpoint / name).bytes());
        if (found != sum)
            throw InputError(checkpoint / name, "",
                             fmt::format("damaged: expected the checksum {}, found {}", sum.dump(), found));
    }
}

std::optional<fs::path> checkpoint_to_resume(const std::string& wanted, const fs::path& output_dir, const Sink& sink) {
    if (wanted.empty()) return std::nullopt;
    if (wanted != "latest" && wanted != "True" && wanted != "true") {  // as Hugging Face's Trainer takes it, too
        if (std::error_code error; !fs::exists(fs::path(wanted) / kSums, error))
            fail("{}: is no checkpoint of a training; give latest, or a folder checkpoint-N{}", wanted,
                 list_checkpoints(wanted).empty()
                     ? ""
                     : fmt::format(" such as {}", list_checkpoints(wanted).front().string()));
        check_checkpoint(wanted);
        return wanted;
    }
    for (const auto& checkpoint : list_checkpoints(output_dir)) try {
            check_checkpoint(checkpoint);
            return checkpoint;
        } catch (const Error& error) {
            sink.warning("{}; looking for an earlier checkpoint", error.what());
        }
    return std::nullopt;
}

TrainingRemains load_training_remains(const fs::path& checkpoint) {
    return {read_safetensors(checkpoint / kOptimizer),
            parse_json_object(read_text(checkpoint / kState), checkpoint / kState)};
}

}  // namespace moebert
