// `moebert importance`: scores of every feed-forward neuron of a fine-tuned model.
#include "core/error.h"
#include "io/file.h"
#include "tasks/outputs.h"
#include "train/job_common.h"

namespace moebert {
namespace {

std::filesystem::path output_path(const JobContext& job, const ImportanceOptions& options) {
    if (!options.output_file.empty()) return options.output_file;
    if (job.train.output_dir.empty()) fail_usage("--output_dir or --output_file is needed");
    const auto name = options.world_size == 1
                          ? std::string("importance.safetensors")
                          : fmt::format("importance.{}-of-{}.safetensors", options.rank, options.world_size);
    return std::filesystem::path(job.train.output_dir) / name;
}

// Every world_size-th example, from `rank` on; of all parts of the split.
std::vector<Feature> own_share(std::vector<FeatureSet> sets, const ImportanceOptions& options) {
    std::vector<Feature> own;
    std::int64_t number = 0;
    for (auto& set : sets)
        for (auto& feature : set.features)
            if (number++ % options.world_size == options.rank) own.push_back(std::move(feature));
    return own;
}

}  // namespace

nlohmann::json run_importance(const JobContext& job, const ImportanceOptions& options, const Sink& sink) {
    if (options.world_size > 1 && job.world.size > 1)
        fail_usage("world_size: {} given, but a launcher started {} processes that add their scores up by themselves",
                   options.world_size, job.world.size);
    if (options.world_size < 1 || options.rank < 0 || options.rank >= options.world_size)
        fail_usage("rank: {} given; expected 0 to {} (world_size - 1)", options.rank, options.world_size - 1);
    if (job.train.per_device_train_batch_size < 1)
        fail_usage("per_device_train_batch_size: {} given; expected at least 1", job.train.per_device_train_batch_size);
    const auto path = output_path(job, options);
    if (std::filesystem::exists(path) && !job.train.overwrite_output_dir)
        fail_usage("{}: is there already; give --overwrite_output_dir to write over it", path.string());
    check_output_file(path, job.data, job.model_name_or_path);
    const auto split = parse_split(options.split);
    const Processes processes(job.world, job.train.ddp_timeout);
    std::optional<OutputFolder> output;
    if (processes.is_first())  // parts of one job may go into one folder
        output.emplace(path.parent_path(), options.world_size > 1 ? FolderLock::For::several : FolderLock::For::one);
    const auto checkpoint = load_finetuned(job.model_name_or_path);
    const auto input = load_text_input(job.model_name_or_path, checkpoint.config, job.data.max_seq_length,
                                       job.train.num_threads, sink);
    const auto features = own_share(
        load_labelled(job.data, split, FeatureUse::training, labels_of(checkpoint.config), input, sink), options);
    const auto model = load_model(checkpoint, 0, false, training_device(job, sink));
    ImportanceSource source;
    source.model_digest = checkpoint_digest(checkpoint);
    source.task = job.data.task_name.empty() ? std::filesystem::path(job.data.train_file).filename().string()
                                             : job.data.task_name;
    source.split = options.split;
    source.rank = options.rank;
    source.world_size = options.world_size;
    auto precision = job.train;
    precision.bf16 = precision.bf16 || precision.fp16;  // in float16 small gradients would be zero
    const auto scores = measure_importance(model, features, job.train.per_device_train_batch_size,
                                           compute_dtype(precision, model.device(), sink), source, processes, sink);
    if (processes.is_first()) save_importance(path, scores);
    return {{"file", path.string()},
            {"examples", scores.source.examples},
            {"layers", scores.layers()},
            {"neurons", scores.neurons()},
            {"model_digest", source.model_digest}};
}

}  // namespace moebert
