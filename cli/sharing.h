// Inference in several processes.
#pragma once

#include <algorithm>

#include "core/cores.h"
#include "engine/jobs.h"
#include "train/jobs.h"

namespace moebert::cli {

// The options of this process's part: it waits for the others, and its threads are its part of the machine's.
inline InferenceOptions shared(InferenceOptions options, const World& world) {
    if (world.size > 1 && options.num_threads == 0) options.num_threads = own_cores(world);
    options.share = join(world);
    return options;
}

}  // namespace moebert::cli
