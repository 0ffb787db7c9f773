// From a dense checkpoint to a mixture-of-experts one, as `moebert split` and `moebert distill` do it.
#pragma once

#include <string>

#include "core/sink.h"
#include "io/checkpoint.h"
#include "moe/importance.h"
#include "moe/split.h"

namespace moebert {

struct StudentPlan {
    MoeConfig moe;
    SplitMethod split_method = SplitMethod::importance;
    std::string hash_list;   // the file, for hash-balance
    std::uint64_t seed = 0;  // of random splits, tables and gates
};

// Throws a UsageError for what can't be, before any work is done: sizes, or hash-balance without a list.
void check_plan(const StudentPlan& plan, const ModelConfig& dense);

// The scores in a file for splitting `dense`; an InputError when they are of another shape, a warning when they are of
// other weights.
Importance load_scores(const std::filesystem::path& file, const Checkpoint& dense, const Sink& sink);

// `scores` may be null when the plan's split is random.
Checkpoint build_student(const Checkpoint& dense, const StudentPlan& plan, const Importance* scores);

}  // namespace moebert
