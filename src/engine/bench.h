// `moebert bench`: how fast a checkpoint is on given text.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/sink.h"

namespace moebert {

struct BenchOptions {
    std::string model_name_or_path, baseline;
    std::vector<std::string> text;
    std::string precision = "auto", workload = "fixed,ragged,latency128,latency32", sharing = "automatic";
    std::int64_t num_threads = 1, repetitions = 5, batch_size = 32, max_seq_length = 0, every = 1;
};

template <class Visitor>
void describe(Visitor& visit, BenchOptions& o) {
    visit("workload", o.workload,
          "list of fixed (8 sentences of 128 tokens for each thread), ragged (all of each text, by length), latencyN "
          "(one sentence of N tokens)");
    visit("precision", o.precision, "of matrix products: auto, fp32, bf16 or int8");
    visit("num_threads", o.num_threads, "CPU threads; 0: one a core", {"threads"});
    visit("sharing", o.sharing, "how threads share work: sentences, columns (of one), or automatic");
    visit("baseline", o.baseline, "another checkpoint, timed in turn with it; its speed is the unit of `speedup`");
    visit("repetitions", o.repetitions, "timed, after one that is not", {"reps"});
    visit("batch_size", o.batch_size, "most sentences of a ragged batch", {"batch"});
    visit("max_seq_length", o.max_seq_length, "longer text is cut to it; 0: what the model has positions for");
    visit("every", o.every, "ragged: of the batches, by rising length, only one of so many");
}

// One JSON object for every workload (and model), as soon as it is measured.
void run_bench(const BenchOptions& options, const std::function<void(const nlohmann::json&)>& emit, const Sink& sink);

}  // namespace moebert
