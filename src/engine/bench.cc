#include "engine/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>

#include "core/error.h"
#include "core/median.h"
#include "core/random.h"
#include "engine/engine.h"
#include "engine/prepared.h"
#include "io/file.h"
#include "tasks/text_input.h"

namespace moebert {
namespace {

using engine::Engine;

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::size_t begin = 0;
    for (auto end = text.find(separator); end != std::string::npos; begin = end + 1, end = text.find(separator, begin))
        parts.push_back(text.substr(begin, end - begin));
    parts.push_back(text.substr(begin));
    return parts;
}

std::vector<std::string> lines_of(const std::string& file) {
    auto lines = split(read_text(file), '\n');
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    if (lines.empty()) throw InputError(file, "", "holds no text");
    return lines;
}

// The first two columns of a .tsv with a header that hold sentences; or whole lines.
Dataset read_lines_of_text(const std::string& file) {
    for (const char* ending : {".csv", ".json", ".jsonl"})
        if (file.ends_with(ending))
            fail_usage("text: {}: expected a .tsv with a header, or a file with a text a line", file);
    Dataset dataset;
    auto lines = lines_of(file);
    if (!file.ends_with(".tsv")) {
        for (auto& line : lines)
            if (line.find_first_not_of(" \t\r") != std::string::npos)
                dataset.examples.push_back({std::move(line), {}, {}});
        return dataset;
    }
    std::vector<std::size_t> columns;
    const auto header = split(lines.front(), '\t');
    for (std::size_t i = 0; i < header.size() && columns.size() < 2; ++i)
        if ((header[i].starts_with("sentence") || header[i].starts_with("question") ||
             header[i].starts_with("#1 String") || header[i].starts_with("#2 String")) &&
            header[i].find("parse") == std::string::npos)
            columns.push_back(i);
    if (columns.empty()) throw InputError(file, "line 1", "no column named sentence..., question... or #1 String");
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto cells = split(lines[i], '\t');
        if (cells.size() <= columns.back()) continue;
        dataset.examples.push_back({cells[columns[0]], {}, {}});
        if (columns.size() == 2) dataset.examples.back().sentence2 = cells[columns[1]];
    }
    return dataset;
}

std::vector<Feature> random_features(std::size_t count, std::size_t tokens, std::int64_t vocabulary) {
    RandomEngine random(0);
    std::vector<Feature> features(count);
    for (auto& feature : features) {
        feature.token_type_ids.assign(tokens, 0);
        for (std::size_t t = 0; t < tokens; ++t)
            feature.input_ids.push_back(
                static_cast<std::int32_t>(uniform_index(random, static_cast<std::uint64_t>(vocabulary))));
    }
    return features;
}

// Sorted by length and cut into batches, each `every`-th of these: what a machine that is slow can still measure.
std::vector<Feature> thin_out(std::vector<Feature> features, std::int64_t batch_size, std::int64_t every) {
    std::ranges::stable_sort(features, {}, [](const Feature& feature) { return feature.input_ids.size(); });
    std::vector<Feature> kept;
    for (std::size_t i = 0; i < features.size(); ++i)
        if ((static_cast<std::int64_t>(i) / batch_size - (every - 1) / 2) % every == 0)
            kept.push_back(std::move(features[i]));
    return kept;
}

struct Workload {
    std::string name;
    std::vector<Feature> features;
    std::size_t batches;
    bool is_latency = false;
};

void check_positions(const std::string& workload, std::size_t tokens, const ModelConfig& config) {
    if (tokens > static_cast<std::size_t>(config.max_position_embeddings))
        fail_usage("workload {}: the model has {} positions", workload, config.max_position_embeddings);
}

// `config`: of what all models take.
std::vector<Workload> make_workloads(const BenchOptions& options, const ModelConfig& config) {
    std::vector<Workload> workloads;
    const auto threads = static_cast<std::size_t>(options.num_threads);
    for (const auto& name : split(options.workload, ',')) {
        if (name == "fixed") {
            check_positions(name, 128, config);
            workloads.push_back({"fixed-8x128", random_features(8 * threads, 128, config.vocab_size), threads});
        } else if (name == "ragged") {
            if (options.text.empty()) fail_usage("workload ragged: --text is needed");
            const auto longest = options.max_seq_length > 0 ? options.max_seq_length : config.max_position_embeddings;
            const auto input = load_text_input(options.model_name_or_path, config, longest);
            for (const auto& file : options.text) {
                const auto all = make_features(read_lines_of_text(file), input);
                if (all.empty()) throw InputError(file, "", "has no text");
                auto features = thin_out(all, options.batch_size, options.every);
                if (features.empty())
                    fail_usage("every: {} given; {} has {} batches", options.every, file,
                               engine::divide_up(std::ssize(all), options.batch_size));
                const auto batches = engine::at(engine::divide_up(std::ssize(features), options.batch_size));
                const auto folder = std::filesystem::absolute(file).parent_path().filename().string();
                workloads.push_back({"ragged-" + folder, std::move(features), batches});
            }
        } else if (name.starts_with("latency")) {
            std::size_t tokens = 128;
            const auto* end = name.data() + name.size();
            const auto parsed = std::from_chars(name.data() + 7, end, tokens);
            if (name.size() > 7 && (parsed.ptr != end || parsed.ec != std::errc() || tokens == 0))
                fail_usage("workload: '{}' given; expected latency and a number of tokens", name);
            check_positions(name, tokens, config);
            workloads.push_back({name, random_features(1, tokens, config.vocab_size), 1, true});
        } else {
            fail_usage("workload: '{}' given; expected fixed, ragged or latencyN", name);
        }
    }
    return workloads;
}

double processor_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Gop/s that the products alone reach on a layer's products, for a token that passes one expert.
double ceiling_of(const Engine& engine) {
    const auto& layer = engine.weights().layers.front();
    double operations = 0.0, seconds = 0.0;
    for (const auto* linear :
         {&layer.qkv, &layer.attention_output, &layer.experts.front().up, &layer.experts.front().down}) {
        const auto each = static_cast<double>(linear->weights().inner * linear->weights().columns);
        operations += each;
        seconds += each / linear->ceiling();
    }
    return operations / seconds;
}

// One checkpoint that is timed.
struct Contender {
    std::string directory;
    Engine engine;
    double load_seconds, ceiling;
};

std::unique_ptr<Contender> load(const std::string& directory, const std::string& precision,
                                const engine::EngineOptions& options) {
    const auto start = std::chrono::steady_clock::now();
    Engine engine(engine::load_weights(directory, precision), options);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double ceiling = ceiling_of(engine);
    return std::make_unique<Contender>(Contender{directory, std::move(engine), seconds, ceiling});
}

// The largest difference of logits from those in float32, on four short sentences; nothing where the file has no
// float32.
std::optional<double> logit_error(const Contender& candidate) {
    if (engine::is_prepared(candidate.directory)) return {};
    std::vector<Feature> features;
    const auto& config = candidate.engine.config();
    const auto positions = static_cast<std::size_t>(config.max_position_embeddings);
    for (const std::size_t tokens : {12, 16, 9, 16})
        features.push_back(random_features(1, std::min(tokens, positions), config.vocab_size).front());
    const auto exact = Engine(engine::load_weights(candidate.directory, "fp32"), {}).run(features).logits;
    const auto found = candidate.engine.run(features).logits;
    double most = 0.0;
    for (std::size_t i = 0; i < exact.size(); ++i)
        most = std::max(most, std::abs(static_cast<double>(exact[i]) - found[i]));
    return most;
}

struct Times {
    std::vector<double> seconds;
    double processor = 0.0, operations = 0.0;
    engine::PartSeconds parts{};
    engine::EngineResult last;
};

void time_once(const Contender& candidate, const Workload& workload, Times& times) {
    const auto before = candidate.engine.seconds();
    const auto operations = candidate.engine.operations(), processor = processor_seconds();
    times.last = candidate.engine.run(workload.features);
    times.seconds.push_back(times.last.seconds);
    times.processor += processor_seconds() - processor;
    times.operations += candidate.engine.operations() - operations;
    const auto after = candidate.engine.seconds();
    for (std::size_t i = 0; i < engine::kParts; ++i) times.parts[i] += after[i] - before[i];
}

double rounded(double value, int decimals) {
    const double scale = std::pow(10.0, decimals);
    return std::round(value * scale) / scale;
}

// What all of them take: tokens, positions and types of sentences.
ModelConfig common_limits(const std::vector<std::unique_ptr<Contender>>& candidates) {
    auto common = candidates.back()->engine.config();
    for (const auto& candidate : candidates) {
        const auto& config = candidate->engine.config();
        common.vocab_size = std::min(common.vocab_size, config.vocab_size);
        common.max_position_embeddings = std::min(common.max_position_embeddings, config.max_position_embeddings);
        common.type_vocab_size = std::min(common.type_vocab_size, config.type_vocab_size);
    }
    return common;
}

nlohmann::json report(const Contender& candidate, const Workload& workload, const Times& times) {
    const auto& engine = candidate.engine;
    const auto threads = static_cast<double>(engine.options().threads);
    const auto best = std::ranges::min(times.seconds), middle = median(times.seconds);
    double total = 0.0;
    for (const double seconds : times.seconds) total += seconds;
    const auto tokens = static_cast<double>(times.last.tokens), batches = static_cast<double>(workload.batches);
    nlohmann::json parts;
    for (std::size_t i = 0; i < engine::kParts; ++i) {
        const double share = times.parts[i] / (threads * total);
        parts[engine::to_string(static_cast<engine::Part>(i))] = {
            {"share", rounded(share, 4)},
            {"us_per_token", rounded(1e6 * times.parts[i] / static_cast<double>(times.seconds.size()) / tokens, 3)}};
    }
    const auto& config = engine.config();
    nlohmann::json result = {
        {"peer", "moebert"},
        {"version", MOEBERT_VERSION},
        {"precision", engine::to_string(engine.options().precision)},
        {"variant", config.moe ? to_string(config.moe->route_method) : "dense"},
        {"kernels", description(engine)},
        {"threads", engine.options().threads},
        {"model",
         std::filesystem::absolute(candidate.directory / std::filesystem::path()).parent_path().filename().string()},
        {"workload", workload.name},
        {"batches", workload.batches},
        {"reps", times.seconds.size()},
        {"real_tokens_per_s", {{"best", rounded(tokens / best, 1)}, {"median", rounded(tokens / middle, 1)}}},
        {"latency_ms", {{"best", rounded(1e3 * best / batches, 3)}, {"median", rounded(1e3 * middle / batches, 3)}}},
        {"real_tokens", times.last.tokens},
        {"padding", 0.0},
        {"cpus_busy", rounded(times.processor / total, 2)},
        {"load_seconds", rounded(candidate.load_seconds, 3)},
        {"gemm_ceiling_gops", rounded(candidate.ceiling, 1)},
        {"share_of_ceiling", rounded(1e-9 * times.operations / total / threads / candidate.ceiling, 6)},
        {"parts", parts}};
    if (config.moe) result["expert_load"] = times.last.expert_load;
    return result;
}

}  // namespace

void run_bench(const BenchOptions& given, const std::function<void(const nlohmann::json&)>& emit, const Sink& sink) {
    if (given.repetitions < 1) fail_usage("repetitions: {} given; expected at least 1", given.repetitions);
    if (given.batch_size < 1) fail_usage("batch_size: {} given; expected at least 1", given.batch_size);
    if (given.every < 1) fail_usage("every: {} given; expected at least 1", given.every);
    auto options = given;
    engine::EngineOptions compute;
    compute.threads = options.num_threads;
    compute.max_sentences = options.batch_size;
    compute.sharing = engine::parse_sharing(options.sharing);
    std::vector<std::unique_ptr<Contender>> candidates;
    if (!options.baseline.empty()) candidates.push_back(load(options.baseline, options.precision, compute));
    candidates.push_back(load(options.model_name_or_path, options.precision, compute));
    options.num_threads = candidates.front()->engine.options().threads;
    std::vector<std::optional<double>> errors;
    for (const auto& candidate : candidates) errors.push_back(logit_error(*candidate));
    for (const auto& workload : make_workloads(options, common_limits(candidates))) {
        std::vector<Times> times(candidates.size());
        for (const auto& candidate : candidates) candidate->engine.run(workload.features);
        const auto repetitions = options.repetitions * (workload.is_latency ? 4 : 1);
        for (std::int64_t i = 0; i < repetitions; ++i) {
            for (std::size_t c = 0; c < candidates.size(); ++c) time_once(*candidates[c], workload, times[c]);
            sink.progress({workload.name, static_cast<double>(i + 1), static_cast<double>(repetitions), ""});
        }
        for (std::size_t c = 0; c < candidates.size(); ++c) {
            auto result = report(*candidates[c], workload, times[c]);
            if (errors[c]) result["max_logit_error"] = *errors[c];
            if (candidates.size() > 1)
                result["speedup"] = rounded(median(times[0].seconds) / median(times[c].seconds), 3);
            emit(result);
        }
    }
}

}  // namespace moebert
