// Importance of every feed-forward neuron: how much the task's loss would change without it (paper, equation 4).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace moebert {

// Where scores came from; what is not known is empty or zero.
struct ImportanceSource {
    std::string model_digest;  // checkpoint_digest of the dense model
    std::string task;
    std::string split;
    std::int64_t examples = 0;  // examples summed over
    std::int64_t rank = 0;      // this file's share of the examples: rank of world_size
    std::int64_t world_size = 1;
    std::vector<std::string> merged_from;  // names of the files that were added
};

struct Importance {
    std::vector<std::vector<double>> scores;       // (L, I), by neuron
    std::vector<std::vector<std::int64_t>> order;  // (L, I), neurons by falling score; equal scores by number
    ImportanceSource source;

    std::int64_t layers() const { return static_cast<std::int64_t>(scores.size()); }
    std::int64_t neurons() const { return scores.empty() ? 0 : static_cast<std::int64_t>(scores.front().size()); }
};

// Ranks the sums; throws an Error for rows of unequal length or scores that are not finite.
Importance make_importance(std::vector<std::vector<double>> scores, ImportanceSource source);

// Reads safetensors, or by the ending .pkl the authors' pickle: the merged dictionary or one process's list of lists.
Importance load_importance(const std::filesystem::path& file);

// Writes safetensors, or by the ending .pkl the authors' merged dictionary.
void save_importance(const std::filesystem::path& file, const Importance& importance);

// Adds up the files of several processes. Refuses files of different models, tasks or splits, a rank that stands twice,
// and ranks that are missing.
Importance merge_importance(const std::vector<std::filesystem::path>& files);

// Share of the whole score that the `count` most important neurons of a layer hold, in [0, 1].
double mass_of_top(const Importance& importance, std::int64_t layer, std::int64_t count);

}  // namespace moebert
