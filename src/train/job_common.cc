#include "train/job_common.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <numeric>

#include "core/cores.h"
#include "core/error.h"
#include "core/json_text.h"
#include "io/file.h"
#include "train/deal.h"
#include "train/gpu_kernels.h"
#include "train/importance_pass.h"
#include "train/tensor_memory.h"
#include "train/training_checkpoint.h"

namespace moebert {

void prepare_runtime(std::int64_t num_threads, const World& world, const Sink& sink) {
    constexpr std::int64_t kMostThreads = 1024;  // more are a mistake
    if (num_threads < 0 || num_threads > kMostThreads)
        fail_usage("num_threads: {} given; expected 0 (one a core) to {}", num_threads, kMostThreads);
    // libtorch's own default is one thread where it can't tell the processor's cores.
    at::set_num_threads(static_cast<int>(num_threads > 0 ? num_threads : own_cores(world)));
    keep_tensor_memory();
    torch::InferenceMode inference;
    constexpr std::int64_t kSize = 384;
    const auto a = torch::ones({kSize, kSize});
    at::mm(a, a);
    double gflops = 0.0;
    for (int attempt = 0; attempt < 4 && gflops < 8.0; ++attempt) {  // other programs may take the processor meanwhile
        const auto start = std::chrono::steady_clock::now();
        at::mm(a, a);
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        gflops = std::max(gflops, 2.0 * kSize * kSize * kSize / seconds * 1e-9);
    }
    if (gflops < 8.0)
        sink.warning(
            "float32 matrix products run at {:.1f} GFLOP/s: the processor is busy, or libtorch found no fast BLAS "
            "(install libopenblas0-openmp)",
            gflops);
}

nlohmann::json with_prefix(const std::string& prefix, const Metrics& metrics) {
    nlohmann::json out = nlohmann::json::object();
    for (const auto& [name, value] : metrics) out[prefix + name] = value;
    return out;
}

nlohmann::json options_of(const JobContext& job) {
    nlohmann::json options{{"model_name_or_path", job.model_name_or_path}};
    options.update(options_to_json(job.data));
    options.update(options_to_json(job.train));
    return options;
}

Importance measure_importance(const Model& model, std::span<const Feature> features, std::int64_t batch_size,
                              torch::ScalarType dtype, ImportanceSource source, const Processes& processes,
                              const Sink& sink) {
    const auto& c = model.config;
    auto scores = torch::zeros({c.num_hidden_layers, c.intermediate_size}, torch::kFloat64);
    std::vector<std::int64_t> all(features.size());
    std::iota(all.begin(), all.end(), 0);
    const auto pass = static_cast<std::size_t>(batch_size * processes.size());
    for (std::size_t first = 0; first < all.size(); first += pass) {
        const auto sentences = std::span(all).subspan(first, std::min(pass, all.size() - first));
        const auto own = deal_sentences(features, sentences, processes.rank(), processes.size());
        if (!own.empty())
            accumulate_importance(model, make_batch(features, own, c.problem_type, model.device()), dtype, scores);
        sink.progress(
            {"scoring neurons", static_cast<double>(first + sentences.size()), static_cast<double>(all.size()), ""});
    }
    processes.sum(scores);
    std::vector<std::vector<double>> rows;
    for (std::int64_t k = 0; k < c.num_hidden_layers; ++k) {
        const auto* row = scores[k].data_ptr<double>();
        rows.emplace_back(row, row + c.intermediate_size);
    }
    source.examples = std::ssize(features);
    return make_importance(std::move(rows), std::move(source));
}

torch::Device training_device(const JobContext& job, const Sink& sink) {
#ifdef MOEBERT_CUDA
    if (!job.train.use_cpu && torch::cuda::is_available()) {
        const auto count = static_cast<int>(torch::cuda::device_count());
        if (job.world.local_rank >= count)
            fail("process {}: the {}th of this machine, which has {} GPUs; start one a GPU, or give --use_cpu",
                 job.world.rank, job.world.local_rank + 1, count);
        const torch::Device device(torch::kCUDA, static_cast<c10::DeviceIndex>(job.world.local_rank));
        gpu::make_deterministic();
        sink.info("device: {}", device.str());
        return device;
    }
    if (!job.train.use_cpu) sink.info("device: cpu (no GPU is available)");
#else
    (void)job;
    (void)sink;
#endif
    return torch::kCPU;
}

void check_label_smoothing(const TrainOptions& options, ProblemType problem_type) {
    if (options.label_smoothing_factor > 0 && problem_type != ProblemType::classification)
        fail_usage("label_smoothing_factor: {} given; it is for classes, and the data has {}",
                   options.label_smoothing_factor,
                   problem_type == ProblemType::regression ? "numbers as labels" : "questions");
}

Processes join_processes(const JobContext& job) {
    check_options(job.train);
    return Processes(job.world, job.train.ddp_timeout);
}

Share join(const World& world) {
    if (world.size == 1) return {};
    const auto processes = std::make_shared<const Processes>(world);
    return {world.rank, world.size, [processes](std::span<float> values) {
                processes->sum(torch::from_blob(values.data(), {std::ssize(values)}, torch::kFloat32));
            }};
}

namespace {

namespace fs = std::filesystem;

// Of a run that begins anew, or goes on from elsewhere: what is in output_dir may be another's, such as the teacher.
void check_nothing_is_lost(const TrainOptions& options) {
    const fs::path output = options.output_dir;
    if (options.overwrite_output_dir) return;
    if (fs::exists(output / "config.json") || !list_checkpoints(output).empty())
        fail_usage(
            "resume_from_checkpoint: {} has a model or checkpoints that this run does not go on from; give another "
            "--output_dir, or --overwrite_output_dir to write over them",
            output.string());
}

// Of a run that begins anew.
void check_sources_stay(const TrainOptions& options, const std::vector<fs::path>& sources) {
    auto removed = list_checkpoints(options.output_dir);
    removed.push_back(best_checkpoint(options.output_dir));
    removed.emplace_back(options.output_dir);
    std::error_code none;
    for (const auto& source : sources)
        for (const auto& folder : removed)
            if (fs::equivalent(source, folder, none))
                fail_usage(
                    "{}: --overwrite_output_dir would remove it or write over it, and the model is read from there; "
                    "give another --output_dir",
                    source.string());
}

}  // namespace

std::unique_ptr<FolderLock> lock_output(const TrainOptions& options, const Processes& processes) {
    std::unique_ptr<FolderLock> lock;
    first_finds(processes, [&] {
        make_folder(options.output_dir);
        lock = std::make_unique<FolderLock>(options.output_dir);
        return std::string();
    });
    return lock;
}

std::optional<fs::path> common_checkpoint(const TrainOptions& options, const std::vector<fs::path>& sources,
                                          const Processes& processes, const Sink& sink) {
    const auto found = first_finds(processes, [&]() -> std::string {
        const auto checkpoint = checkpoint_to_resume(options.resume_from_checkpoint, options.output_dir, sink);
        std::error_code none;
        if (checkpoint && fs::equivalent(fs::canonical(*checkpoint).parent_path(), options.output_dir, none))
            return checkpoint->string();
        check_nothing_is_lost(options);
        if (checkpoint) return checkpoint->string();
        check_sources_stay(options, sources);
        if (!options.resume_from_checkpoint.empty())
            sink.info("{}: no checkpoint to resume from; starting at the beginning", options.output_dir);
        return "";
    });
    return found.empty() ? std::nullopt : std::optional<fs::path>(found);
}

}  // namespace moebert
