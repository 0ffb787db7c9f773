// From a dense checkpoint to a mixture-of-experts one, as `moebert split` and `moebert distill` do it.
#pragma once

#include <string>
#include <vector>

#include "core/sink.h"
#include "io/checkpoint.h"
#include "moe/importance.h"
#include "moe/split.h"

namespace moebert {

struct StudentPlan {
    MoeConfig moe;
    SplitMethod split_method = SplitMethod::importance;
    std::string hash_list;                    // the file, for hash-balance
    std::uint64_t seed = 0;                   // of random splits, tables and gates
    std::vector<std::int64_t> balanced = {};  // for hash-balance, in place of the file: an expert a token

    bool lacks_hash_list() const {
        return moe.route_method == RouteMethod::hash_balance && hash_list.empty() && balanced.empty();
    }
};

// Throws a UsageError for sizes that can't be, before any work is done.
void check_plan(const StudentPlan& plan, const ModelConfig& dense);
// Throws a UsageError for hash-balance without a list.
void check_hash_list(const StudentPlan& plan);

// The scores in a file for splitting `dense`; an InputError when they are of another shape, a warning when they are of
// other weights.
Importance load_scores(const std::filesystem::path& file, const Checkpoint& dense, const Sink& sink);

// `scores` may be null when the plan's split is random.
Checkpoint build_student(const Checkpoint& dense, const StudentPlan& plan, const Importance* scores);

}  // namespace moebert
