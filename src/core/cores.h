// The processor's cores that this process may use.
#pragma once

#include <sched.h>

#include <algorithm>
#include <thread>

#include "core/world.h"

namespace moebert {

// Those of its affinity (taskset, cpusets of containers and batch systems), at least one.
inline unsigned usable_cores() {
    cpu_set_t set;  // of 1024 cores; on a machine of more the call fails, and all of them count
    if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
    return std::max(1U, std::thread::hardware_concurrency());
}

// This process's part of those that it shares with the others on its machine.
inline unsigned own_cores(const World& world) {
    const auto cores = usable_cores();
    if (world.may_have_own_cores && cores < std::thread::hardware_concurrency()) return cores;
    return std::max(1U, cores / static_cast<unsigned>(world.local_size));
}

}  // namespace moebert
