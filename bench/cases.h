// The kinds of benchmark; each takes a case of a cases file and returns its figures.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace moebert::bench {

// Importance of a padded batch the authors' way (two backward passes for every layer and example), against one pass for
// all.
nlohmann::json importance_case(const nlohmann::json& settings, const std::filesystem::path& data);

// Fine-tuning and distillation steps on packed batches, against plain libtorch on padded ones.
nlohmann::json training_case(const nlohmann::json& settings, const std::filesystem::path& data);

}  // namespace moebert::bench
