#include "engine/limits.h"

#include <cstdlib>

#include "engine/kernels.h"
#include "engine/linear.h"

namespace moebert::engine {

void limit_instruction_set(const std::string& name) {
    limit_vectors(name);
    limit_products(name);
}

void limit_instruction_set_from_environment() {
    if (const char* name = std::getenv("MOEBERT_CPU_ISA")) limit_instruction_set(name);
}

}  // namespace moebert::engine
