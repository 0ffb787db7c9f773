// `moebert --nproc N ...`: N processes on this machine that do one job together.
#pragma once

#include <string>
#include <vector>

namespace moebert::cli {

// Runs the program that many times with `arguments`, as torchrun would. SIGINT and SIGTERM go on to all of them. When
// one fails the others are ended, and its error is the one that is reported. Returns the exit code.
int launch(int processes, const std::vector<std::string>& arguments);

// Becomes another program with these arguments. Returns only where that can't be run; errno says why.
void become(const char* program, const std::vector<std::string>& arguments);

// Where a launched process puts its error; nothing in one that wasn't. Returns whether it was put there.
bool report_to_launcher(const std::string& message);

}  // namespace moebert::cli
