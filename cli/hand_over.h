// Training needs libtorch, which takes a third of a second and 100 MB to load: a program of its own, moebert-train,
// has all the subcommands, and this one has those that do without, and runs the other when it is needed.
#pragma once

#include <string>
#include <vector>

namespace moebert::cli {

// Becomes the training program, with these arguments, and doesn't return. Nothing where this is it, or there is none.
void hand_over(const std::vector<std::string>& arguments);

}  // namespace moebert::cli
