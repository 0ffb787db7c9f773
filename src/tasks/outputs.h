// Where results may go.
#pragma once

#include <filesystem>
#include <vector>

#include "tasks/data_options.h"

namespace moebert {

// A UsageError where the file `output` is one of those in `inputs`.
void check_is_no_input(const std::filesystem::path& output, const std::vector<std::filesystem::path>& inputs);

// The same where it is a file of the data, or of the checkpoint folder `model`, or what standard input is read from; an
// Error where no such file can be written.
void check_output_file(const std::filesystem::path& output, const DataOptions& data,
                       const std::filesystem::path& model);

}  // namespace moebert
