// The processor's cores that this process may use.
#pragma once

#include <sched.h>

#include <algorithm>
#include <thread>

namespace moebert {

// Those of its affinity (taskset, cpusets of containers and batch systems), at least one.
inline unsigned usable_cores() {
    cpu_set_t set;  // of 1024 cores; on a machine of more the call fails, and all of them count
    if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
    return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace moebert
