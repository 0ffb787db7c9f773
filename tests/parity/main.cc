// moebert_parity [--device cuda] DIR...: compares this implementation with the numbers in fixture folders.
#include <fmt/format.h>

#include "core/error.h"
#include "parity.h"

namespace {

bool print(const std::vector<moebert::parity::Check>& checks) {
    bool passed = true;
    for (const auto& check : checks) {
        fmt::print("  {:<44} {:>7} numbers  error {:<9.2e} bound {:<9.2e} {}  ({})\n", check.kind, check.numbers,
                   check.error, check.bound, check.passed() ? "ok" : "FAILED", check.where);
        passed = passed && check.passed();
    }
    return passed;
}

}  // namespace

int main(int argc, char** argv) {
    const bool has_device = argc > 2 && std::string(argv[1]) == "--device";
    const int first = has_device ? 3 : 1;
    if (argc <= first) {
        fmt::print(stderr,
                   "usage: moebert_parity [--device cpu|cuda] DIR...\nCompares with the numbers in each fixture "
                   "folder; exits with 1 where one is farther off than float32 explains.\n");
        return 2;
    }
    bool passed = true;
    for (int i = first; i < argc; ++i) try {
            fmt::print("{}\n", argv[i]);
            passed = print(moebert::parity::check_folder(argv[i], has_device ? argv[2] : "cpu")) && passed;
        } catch (const std::exception& error) {
            fmt::print(stderr, "moebert_parity: {}: {}\n", argv[i], error.what());
            passed = false;
        }
    return passed ? 0 : 1;
}
