// Compares this implementation with the numbers of a fixture folder, which another implementation produced.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace moebert::parity {

// The largest error of one kind of number, and the bound float32 gives for it.
struct Check {
    std::string kind;    // "gate-token gradients"
    std::string where;   // the tensor with the largest error
    double error = 0.0;  // relative to the largest magnitude in that tensor; for exact kinds, how many differ
    double bound = 0.0;
    std::int64_t numbers = 0;

    bool passed() const { return numbers > 0 && error <= bound; }
};

// Every number in the folder: hidden states, logits, losses, importance, splits, hash lists, and for each routing
// method found there, outputs, loads, the gradients of the first distillation step and the losses of the optimiser
// steps. `device`: cpu or cuda.
std::vector<Check> check_folder(const std::filesystem::path& folder, const std::string& device);

}  // namespace moebert::parity
