// Options of Hugging Face's and the authors' scripts that mean nothing here: accepted, so that an old script's
// arguments carry over, and named in a warning.
#pragma once

#include "core/options.h"

namespace moebert::cli {

struct ScriptOptions {
    bool overwrite_cache = false, pad_to_max_length = false, use_fast_tokenizer = false, disable_tqdm = false,
         logging_first_step = false;
    std::string cache_dir, dataloader_num_workers, preprocessing_num_workers, fp16_backend, fp16_opt_level,
        half_precision_backend, run_name, logging_strategy;
};

template <class Visitor>
void describe(Visitor& visit, ScriptOptions& o) {
    visit("overwrite_cache", o.overwrite_cache, "");
    visit("pad_to_max_length", o.pad_to_max_length, "");
    visit("use_fast_tokenizer", o.use_fast_tokenizer, "");
    visit("disable_tqdm", o.disable_tqdm, "");
    visit("cache_dir", o.cache_dir, "");
    visit("dataloader_num_workers", o.dataloader_num_workers, "");
    visit("preprocessing_num_workers", o.preprocessing_num_workers, "");
    visit("fp16_backend", o.fp16_backend, "");
    visit("fp16_opt_level", o.fp16_opt_level, "");
    visit("half_precision_backend", o.half_precision_backend, "");
    visit("run_name", o.run_name, "");
    visit("logging_strategy", o.logging_strategy, "");
    visit("logging_first_step", o.logging_first_step, "");
}

// What run_glue and the authors' script choose their work by; here the subcommand does, and these must agree with it.
struct StageOptions {
    bool do_train = false, do_eval = false, do_predict = false, preprocess_importance = false;
    std::string moebert;
};

template <class Visitor>
void describe(Visitor& visit, StageOptions& o) {
    visit("do_train", o.do_train, "");
    visit("do_eval", o.do_eval, "");
    visit("do_predict", o.do_predict, "");
    visit("preprocess_importance", o.preprocess_importance, "");
    visit("moebert", o.moebert, "");
}

// Throws a UsageError that names the right subcommand when the stage asked for is not the one that `command` does.
void check_stage(const StageOptions& stage, const std::string& command);

}  // namespace moebert::cli
