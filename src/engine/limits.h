// Fewer instructions than the processor has: to test what older ones run, and to compare.
#pragma once

#include <string>

namespace moebert::engine {

// The fastest set used from now on: "avx512_bf16" (without tiles), "avx512" (without bfloat16 and byte products too),
// "avx2", "sse4" or "plain". To be called before anything else of this room. Throws a UsageError for another name.
void limit_instruction_set(const std::string& name);

// What the variable MOEBERT_CPU_ISA names, if it is set.
void limit_instruction_set_from_environment();

}  // namespace moebert::engine
