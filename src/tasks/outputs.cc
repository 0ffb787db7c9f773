#include "tasks/outputs.h"

#include <algorithm>

#include "core/error.h"
#include "io/file.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;

// What a checkpoint folder is read for; scores and predictions may lie beside it.
bool is_of_checkpoint(const std::string& name) {
    constexpr const char* kBeginnings[] = {"config.json", "model",     "pytorch_model",   "prepared.",
                                           "vocab.",      "tokenizer", "special_tokens_", "added_tokens."};
    return std::ranges::any_of(kBeginnings, [&](const char* beginning) { return name.starts_with(beginning); });
}

bool is_below(const fs::path& file, const fs::path& folder) {
    std::error_code error;
    const auto whole = fs::canonical(file, error), above = fs::canonical(folder, error);
    if (error) return false;
    return std::ranges::mismatch(above, whole).in1 == above.end();
}

[[noreturn]] void refuse(const fs::path& output) {
    fail_usage("{}: would be written over, and is read from; give another output file", output.string());
}

}  // namespace

void check_is_no_input(const fs::path& output, const std::vector<fs::path>& inputs) {
    std::error_code none;
    if (!fs::is_regular_file(output, none)) return;
    for (const auto& input : inputs)
        if (fs::equivalent(output, input, none)) refuse(output);
}

void check_output_file(const fs::path& output, const DataOptions& data, const fs::path& model) {
    check_is_no_input(output, {data.train_file, data.validation_file, data.test_file, "/dev/stdin"});
    std::error_code none;
    if (fs::is_regular_file(output, none)) {
        if (!data.data_dir.empty() && is_below(output, data.data_dir)) refuse(output);
        if (is_below(output, model) && is_of_checkpoint(output.filename().string())) refuse(output);
    }
    check_can_write(output);
}

}  // namespace moebert
