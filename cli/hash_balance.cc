#include <algorithm>
#include <numeric>

#include "command_line.h"
#include "commands.h"
#include "io/file.h"
#include "moe/hash_table.h"
#include "moe/split.h"
#include "tasks/feature_set.h"
#include "tasks/outputs.h"
#include "tasks/token_counts.h"

namespace moebert::cli {

namespace {

struct HashBalanceOptions {
    std::string model_name_or_path, output_dir, output_file, split = "train";
    bool overwrite_output_dir = false;
    std::int64_t num_experts = 4, seed = 42;
    DataOptions data;
    Ignored ignored;
};

std::filesystem::path output_path(const HashBalanceOptions& o) {
    if (o.output_dir.empty() && o.output_file.empty()) fail_usage("--output_dir or --output_file is needed");
    auto path = o.output_file.empty() ? std::filesystem::path(o.output_dir) / "hash_list.pkl"
                                      : std::filesystem::path(o.output_file);
    if (std::filesystem::exists(path) && !o.overwrite_output_dir)
        fail_usage("{}: is there already; give --overwrite_output_dir to write over it", path.string());
    check_output_file(path, o.data, o.model_name_or_path);
    return path;
}

std::vector<std::int64_t> token_counts(const HashBalanceOptions& o, const TextInput& input, std::int64_t vocab_size,
                                       const Sink& sink) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(vocab_size), 0);
    const auto split = parse_split(o.split);
    for (const auto& set : load_feature_sets(o.data, split, FeatureUse::training, std::nullopt, input, sink)) {
        const auto more = count_tokens(set.features, vocab_size);
        std::transform(counts.begin(), counts.end(), more.begin(), counts.begin(), std::plus<>());
    }
    return counts;
}

void run(const HashBalanceOptions& o, const Sink& sink) {
    check_num_experts(o.num_experts);
    const auto path = output_path(o);
    auto config = read_text_config(o.model_name_or_path);
    if (is_question_answering(o.data)) config.problem_type = ProblemType::question_answering;
    const auto input = load_text_input(o.model_name_or_path, config, o.data.max_seq_length, 0, sink);
    const auto counts = token_counts(o, input, config.vocab_size, sink);
    const auto table = balanced_hash_table(counts, o.num_experts, static_cast<std::uint64_t>(o.seed));
    std::vector<std::int64_t> load(static_cast<std::size_t>(o.num_experts), 0);
    for (std::size_t token = 0; token < table.size(); ++token)
        load[static_cast<std::size_t>(table[token])] += counts[token];
    make_folder(path.parent_path());
    save_hash_list(path, table);
    const nlohmann::json summary{{"file", path.string()},
                                 {"tokens", std::accumulate(load.begin(), load.end(), std::int64_t{0})},
                                 {"expert_load", load}};
    print_result(summary);
}

}  // namespace

void add_hash_balance(CLI::App& app, const Session& session) {
    auto* command = app.add_subcommand("hash-balance",
                                       "Make a token-to-expert table that gives experts equal shares of a data set");
    auto o = std::make_shared<HashBalanceOptions>();
    command->add_option("--model_name_or_path", o->model_name_or_path, "checkpoint directory, for its tokenizer")
        ->required();
    bind(*command, "Data", o->data);
    o->ignored.hide(*command, {"n_best_size", "max_answer_length", "null_score_diff_threshold"});
    command->add_option("--split", o->split, "whose tokens are counted: train, validation or test")
        ->capture_default_str();
    command->add_option("--num_experts,--moebert_expert_num", o->num_experts, "experts a layer")->capture_default_str();
    command->add_option("--seed", o->seed, "of the experts of tokens that never occur")->capture_default_str();
    command->add_option("--output_dir", o->output_dir, "folder for hash_list.pkl; this or output_file is needed");
    command->add_option("--output_file", o->output_file, "where the list goes, instead of output_dir");
    command->add_flag("--overwrite_output_dir", o->overwrite_output_dir, "write over a list that is there already");
    command->callback([command, o, &session] {
        o->ignored.warn(*command, session.sink);
        run(*o, session.sink);
    });
}

}  // namespace moebert::cli
