// Inference in several processes.
#pragma once

#include <algorithm>

#include "core/cores.h"
#include "engine/jobs.h"
#include "train/jobs.h"

namespace moebert::cli {

// The options of this process's part: it waits for the others, and its threads are its part of the machine's.
inline InferenceOptions shared(InferenceOptions options, const World& world) {
    const auto cores = static_cast<std::int64_t>(usable_cores());
    if (world.size > 1 && options.num_threads == 0)
        options.num_threads = std::max<std::int64_t>(1, cores / world.local_size);
    options.share = join(world);
    return options;
}

}  // namespace moebert::cli
