// What makes it the program that has every subcommand.
#include "hand_over.h"

namespace moebert::cli {

void hand_over(const std::vector<std::string>&) {}

}  // namespace moebert::cli
