#include "train/trainer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "core/error.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/json_text.h"
#include "core/random.h"
#include "io/json.h"
#include "train/adamw.h"
#include "train/best_model.h"
#include "train/deal.h"
#include "train/epoch_order.h"
#include "train/gradient_exchange.h"
#include "train/log_window.h"
#include "train/loss_scale.h"
#include "train/matmul.h"
#include "train/schedule.h"
#include "train/training_checkpoint.h"
#include "train/training_log.h"

namespace moebert {

torch::ScalarType compute_dtype(const TrainOptions& options, torch::Device device, const Sink& sink) {
    if (!options.bf16 && !options.fp16) return torch::kFloat32;
    if (!device.is_cpu()) return options.bf16 ? torch::kBFloat16 : torch::kHalf;
    if (!options.bf16)
        sink.warning("fp16: on a CPU matrix products are done in bfloat16, as with --bf16; no loss scaling is needed");
    if (has_bf16_matmul()) return torch::kBFloat16;
    sink.warning("{}: this processor has no bfloat16 matrix products; float32 is used", options.bf16 ? "bf16" : "fp16");
    return torch::kFloat32;
}

namespace {

std::string features_digest(std::span<const Feature> features) {
    Digest digest;
    for (const auto& f : features) {
        digest.update(std::as_bytes(std::span(f.input_ids)));
        digest.update(std::as_bytes(std::span(f.token_type_ids)));
        digest.update(fmt::format("{} {}\n", f.label.value_or(-1), f.span ? (*f.span)[0] * 65536 + (*f.span)[1] : -1));
    }
    return digest.hex();
}

nlohmann::json by_name(const Metrics& metrics) {
    auto values = nlohmann::json::object();
    for (const auto& [name, value] : metrics) values[name] = value;
    return values;
}

class Run {
public:
    Run(const TrainingJob& job, const TrainOptions& options, const Sink& sink)
        : job_(job),
          options_(options),
          sink_(sink),
          processes_(job.processes),
          sentences_a_pass_(options.per_device_train_batch_size * job.processes.size()),
          sentences_a_step_(sentences_a_pass_ * options.gradient_accumulation_steps),
          steps_an_epoch_((std::ssize(job.features) + sentences_a_step_ - 1) / sentences_a_step_),
          total_steps_(options.max_steps > 0 ? options.max_steps
                                             : static_cast<std::int64_t>(std::ceil(
                                                   options.num_train_epochs * static_cast<double>(steps_an_epoch_)))),
          schedule_(options, total_steps_),
          exchange_(parameters(job.model), job.processes),
          optimizer_(parameters(job.model),
                     {options.adam_beta1, options.adam_beta2, options.adam_epsilon, options.weight_decay},
                     job.processes, exchange_.owners()),
          dtype_(compute_dtype(options, job.model.device(), sink)),
          loss_scale_(dtype_ == torch::kHalf),
          settings_(settings()),
          best_(job, options, sink),
          watch_(job.model.config, sink) {
        if (job.checkpoint) restore(*job.checkpoint);
        if (!processes_.is_first()) return;
        if (options.overwrite_output_dir && !goes_on_here()) remove_checkpoints(options.output_dir);
        log_.emplace(options, job.checkpoint ? std::optional(result_.steps) : std::nullopt);
        if (!job.options.empty()) log_->describe("training_args", job.options);
        if (!job.checkpoint && !job.teacher.empty()) log_->write("teacher", 0, by_name(job.teacher));
        writer_.emplace(options.output_dir, job.tokenizer_source, options.save_total_limit);
    }

    TrainingResult run() {
        sink_.info("training: {} sentences, {} steps of {}", job_.features.size(), total_steps_, sentences_a_step_);
        while (!is_over()) {
            const auto order = order_of(result_.steps / steps_an_epoch_);
            for (auto i = result_.steps % steps_an_epoch_; i < steps_an_epoch_ && !is_over(); ++i)
                step(std::span(order).subspan(
                    static_cast<std::size_t>(i * sentences_a_step_),
                    static_cast<std::size_t>(std::min(sentences_a_step_, std::ssize(order) - i * sentences_a_step_))));
        }
        return finish();
    }

private:
    bool goes_on_here() const {
        std::error_code none;
        return job_.checkpoint && std::filesystem::equivalent(std::filesystem::absolute(*job_.checkpoint).parent_path(),
                                                              options_.output_dir, none);
    }

    std::vector<std::int64_t> order_of(std::int64_t epoch) const {
        auto order = epoch_order(job_.features.size(), static_cast<std::uint64_t>(options_.seed), epoch);
        if (!options_.group_by_length) return order;
        std::vector<std::int64_t> lengths;
        for (const auto& feature : job_.features) lengths.push_back(std::ssize(feature.input_ids));
        group_by_length(order, lengths, sentences_a_step_);
        return order;
    }

    // What a run must have in common with the one whose checkpoint it goes on from: the result depends on it. How a
    // step's sentences are cut into batches does not matter.
    nlohmann::json settings() const {
        const auto& o = options_;
        return {{"examples", job_.features.size()},
                {"examples_digest", features_digest(job_.features)},
                {"sentences_a_step", sentences_a_step_},
                {"total_steps", total_steps_},
                {"seed", o.seed},
                {"learning_rate", o.learning_rate},
                {"lr_scheduler_type", o.lr_scheduler_type},
                {"warmup_ratio", o.warmup_ratio},
                {"warmup_steps", o.warmup_steps},
                {"weight_decay", o.weight_decay},
                {"adam_beta1", o.adam_beta1},
                {"adam_beta2", o.adam_beta2},
                {"adam_epsilon", o.adam_epsilon},
                {"max_grad_norm", o.max_grad_norm},
                {"label_smoothing_factor", o.label_smoothing_factor},
                {"group_by_length", o.group_by_length},
                {"dropout", o.dropout ? nlohmann::json(*o.dropout) : nlohmann::json()},
                {"precision", precision()},
                {"job", job_.settings}};
    }

    const char* precision() const {
        return dtype_ == torch::kFloat32 ? "fp32" : dtype_ == torch::kHalf ? "fp16" : "bf16";
    }

    void check_settings(const nlohmann::json& theirs) const {
        for (const auto& [name, ours] : settings_.items())
            if (theirs.at(name) != ours)
                fail("{}: this run has {}, the checkpoint's had {}; resuming needs the same", name, json_text(ours),
                     json_text(theirs.at(name)));
    }

    nlohmann::json state() const {
        nlohmann::json state{{"settings", settings_},
                             {"global_step", result_.steps},
                             {"epoch", epoch()},
                             {"loss", result_.loss},
                             {"seconds", since(start_)},
                             {"first_step_seconds", result_.first_step_seconds},
                             {"tokens", result_.tokens},
                             {"sentences", result_.sentences},
                             {"loss_scale", {loss_scale_.factor(), loss_scale_.finite_steps()}},
                             {"window", window_.state()},
                             {"expert_load", result_.expert_load}};
        if (job_.balance) state["load_balance"] = job_.balance->state();
        state.update(best_.state());
        return state;
    }

    void restore(const nlohmann::json& state) {
        check_settings(state.at("settings"));
        result_.steps = state.at("global_step");
        if (result_.steps < 0 || result_.steps > total_steps_)
            fail("global_step: {} is none of this run's, which has {}", result_.steps, total_steps_);
        result_.loss = state.at("loss");
        start_ = before(state.at("seconds"));
        result_.first_step_seconds = state.at("first_step_seconds");
        result_.tokens = state.at("tokens");
        result_.sentences = state.at("sentences");
        best_.restore(state, is_last());
        loss_scale_.restore(state.at("loss_scale").at(0), state.at("loss_scale").at(1));
        window_ = LogWindow::restored(state.at("window"), job_.terms.size(), job_.model.config);
        result_.expert_load = state.at("expert_load");
        if (job_.balance) job_.balance->restore(state.at("load_balance"), job_.model.config);
        check_restored();
    }

    // What the rest of the run would trip over.
    void check_restored() const {
        check_state(result_.tokens >= 0 && result_.sentences >= 0, "tokens or sentences");
        check_state(best_.step() >= -1 && best_.step() <= result_.steps, "best_step");
        check_state(std::isfinite(loss_scale_.factor()) && loss_scale_.factor() > 0, "loss_scale");
        check_state(fits(result_.expert_load, job_.model.config), "expert_load");
    }

    void restore(const std::filesystem::path& checkpoint) {
        const auto remains = load_training_remains(checkpoint);
        try {
            restore(remains.state);
            optimizer_.restore(remains.optimizer);
        } catch (const nlohmann::json::exception& error) {
            throw InputError(checkpoint / "trainer_state.json", "", json_problem(error));
        } catch (const Error& error) {
            throw InputError(checkpoint, "", error.what());
        }
        saved_ = checkpoint;
        sink_.info("resuming after step {} ({})", result_.steps, checkpoint.string());
    }

    void step(std::span<const std::int64_t> sentences) {
        const auto sums = backward(sentences);
        const double rate = schedule_.learning_rate(result_.steps);
        const double norm = optimizer_.step(rate, options_.max_grad_norm, 1.0 / loss_scale_.factor());
        exchange_.share_parameters();
        ++result_.steps;
        if (result_.steps == 1) result_.first_step_seconds = since(start_);
        if (!loss_scale_.absorbs(norm)) check_finite(sums.loss, norm);
        result_.loss += sums.loss;
        window_.add(sums);
        if (job_.balance) job_.balance->observe(sums.load);
        watch_.observe(sums.load, result_.steps);
        report(sums.loss);
        if (result_.steps % resolve_steps(options_.logging_steps, total_steps_) == 0 || is_last())
            write_log(rate, norm);
        after_step(sums.signal);
    }

    // Gradients are left in the parameters.
    StepSums backward(std::span<const std::int64_t> sentences) {
        StepSums sums{0.0, std::vector<double>(job_.terms.size()), no_load(job_.model.config), 0};
        const auto all_tokens = count_tokens(job_.features, sentences);
        const auto size = static_cast<std::size_t>(sentences_a_pass_);
        for (std::size_t first = 0; first < sentences.size(); first += size) {
            if (first + size >= sentences.size()) exchange_.start();
            const auto pass = sentences.subspan(first, std::min(size, sentences.size() - first));
            const auto own = deal_sentences(job_.features, pass, processes_.rank(), processes_.size());
            const auto part = [&](std::size_t count) {
                return static_cast<double>(count) / static_cast<double>(sentences.size());
            };
            const auto own_tokens = static_cast<double>(count_tokens(job_.features, own));
            run_pass(own, first / size,
                     {part(own.size()), own_tokens / static_cast<double>(all_tokens), part(pass.size())}, sums);
        }
        sums.signal = interrupts_.caught();
        if (processes_.size() > 1) {
            exchange_.finish(token_ids(job_.features, sentences));
            add_up(sums);
        }
        result_.tokens += all_tokens;
        window_.tokens += all_tokens;
        result_.sentences += std::ssize(sentences);
        return sums;
    }

    // Forward and backward on this process's sentences of a pass, which may be none.
    void run_pass(const std::vector<std::int64_t>& own, std::size_t pass, const StepShare& share, StepSums& sums) {
        const auto options = forward_options(pass);
        if (own.empty()) {
            if (options.sum_load)
                options.sum_load(torch::zeros(load_shape(), torch::dtype(torch::kInt64).device(job_.model.device())));
            return;
        }
        // Elsewhere than on a CPU dropout draws from libtorch's generator.
        if (!job_.model.device().is_cpu()) torch::manual_seed(options.dropout_key);
        const auto loss = job_.loss(make_batch(job_.features, own, job_.model.config.problem_type, job_.model.device()),
                                    options, share);
        (loss_scale_.factor() == 1.0 ? loss.total : loss.total * loss_scale_.factor()).backward();
        sums.loss += loss.total.item<double>();
        for (std::size_t i = 0; i < loss.terms.size(); ++i)
            if (loss.terms[i].defined()) sums.terms[i] += loss.terms[i].item<double>();
        add_load(sums.load, loss.expert_load);
    }

    std::array<std::int64_t, 2> load_shape() const {
        return {std::ssize(job_.model.layers), job_.model.config.moe ? job_.model.config.moe->num_experts : 0};
    }

    ForwardOptions forward_options(std::size_t pass) const {
        ForwardOptions options;
        options.training = true;
        options.dtype = dtype_;
        options.dropout = options_.dropout;
        const auto batch =
            pass * static_cast<std::size_t>(processes_.size()) + static_cast<std::size_t>(processes_.rank());
        options.dropout_key = random_key(static_cast<std::uint64_t>(options_.seed), 11,
                                         static_cast<std::uint64_t>(result_.steps), static_cast<std::uint64_t>(batch));
        const auto& moe = job_.model.config.moe;
        if (processes_.size() > 1 && moe && is_gated(moe->route_method))
            options.sum_load = [this](const torch::Tensor& load) { processes_.sum(load); };
        return options;
    }

    // All get the same signal as a rule; where some got none, or another one, SIGTERM stands for it.
    int common_signal(double sum, int own) const {
        return sum == 0 ? 0 : sum == own * processes_.size() ? own : SIGTERM;
    }
    int common_signal() const {
        const int own = interrupts_.caught();
        if (processes_.size() == 1) return own;
        const auto sum = torch::full({1}, own, torch::kFloat64);
        processes_.sum(sum);
        return common_signal(sum.item<double>(), own);
    }

    void add_up(StepSums& sums) const {
        std::vector<double> values{sums.loss, static_cast<double>(sums.signal)};
        values.insert(values.end(), sums.terms.begin(), sums.terms.end());
        for (const auto& layer : sums.load) values.insert(values.end(), layer.begin(), layer.end());
        const auto tensor = torch::tensor(values, torch::kFloat64);
        processes_.sum(tensor);
        const auto* next = tensor.data_ptr<double>();
        sums.loss = *next++;
        sums.signal = common_signal(*next++, sums.signal);
        for (auto& term : sums.terms) term = *next++;
        for (auto& layer : sums.load)
            for (auto& count : layer) count = static_cast<std::int64_t>(*next++);
    }

    // A checkpoint is good once its weights have given a finite loss and gradient.
    void check_finite(double loss, double norm) {
        if (std::isfinite(loss) && std::isfinite(norm)) {
            good_ = saved_;
            return;
        }
        if (writer_) writer_->wait();
        const bool is_there = !good_.empty() && std::filesystem::exists(good_);
        const std::string good = is_there ? good_.string() : "none was saved";
        fail(
            "training: step {}: the {} is {}; a smaller learning rate or --max_grad_norm may help (last good "
            "checkpoint: {})",
            result_.steps, std::isfinite(loss) ? "gradient's norm" : "loss", std::isfinite(loss) ? norm : loss, good);
    }

    void report(double loss) {
        sink_.progress({"training", static_cast<double>(result_.steps), static_cast<double>(total_steps_),
                        fmt::format("loss {:.4f}, {:.0f} tokens/s", loss,
                                    static_cast<double>(result_.tokens) / std::max(1e-9, since(start_)))});
    }

    void write_log(double rate, double norm) {
        auto line = window_.line(job_.terms);
        line.update({{"epoch", epoch()}, {"learning_rate", rate}, {"grad_norm", norm}});
        if (job_.balance && job_.balance->is_auto()) line["load_balance"] = job_.balance->weight();
        if (log_) log_->write("train", result_.steps, line);
        result_.expert_load = std::move(window_.sums.load);
        window_ = {};
    }

    bool is_last() const { return result_.steps >= total_steps_; }
    bool is_over() const { return is_last() || best_.is_patience_over(); }

    double epoch() const { return static_cast<double>(result_.steps) / static_cast<double>(steps_an_epoch_); }

    bool is_due(const std::string& strategy, double every) const {
        if (strategy == "steps") return result_.steps % resolve_steps(every, total_steps_) == 0;
        return strategy == "epoch" && (result_.steps % steps_an_epoch_ == 0 || is_last());
    }

    void after_step(int signal) {
        if (job_.evaluate &&
            is_due(options_.evaluation_strategy, options_.eval_steps.value_or(options_.logging_steps))) {
            evaluate();
            signal = common_signal();  // it may have taken long
        }
        if (signal != 0 || is_due(options_.save_strategy, options_.save_steps)) save();
        if (signal != 0) stop(signal);
    }

    [[noreturn]] void stop(int signal) {
        const auto saved = first_finds(processes_, [&] {  // nobody leaves before it is written
            writer_->wait();
            return saved_.string();
        });
        throw Interrupted(
            signal, fmt::format("training: stopped by {} after step {} of {}; --resume_from_checkpoint latest goes "
                                "on from {}",
                                signal == SIGINT ? "SIGINT" : "SIGTERM", result_.steps, total_steps_, saved));
    }

    void evaluate() {
        const auto pause = Clock::now();
        const auto metrics = job_.evaluate();
        auto line = by_name(metrics);
        line["epoch"] = epoch();
        if (log_) log_->write("eval", result_.steps, line);
        sink_.info("step {}: {}", result_.steps, json_text(line));
        best_.judge(metrics, result_.steps);
        start_ += Clock::now() - pause;  // training's own time
        window_.start += Clock::now() - pause;
    }

    void save() {
        auto optimizer = optimizer_.tensors();
        if (writer_)
            saved_ = writer_->save(
                {result_.steps, job_.model.config, model_tensors(job_.model), std::move(optimizer), state()});
    }

    TrainingResult finish() {
        if (writer_) writer_->wait();
        if (!is_finite()) fail("training: after step {} a weight is no longer a finite number", result_.steps);
        if (options_.load_best_model_at_end) best_.load(result_.steps);
        watch_.finish(result_.steps);
        result_.best = best_.value();
        result_.best_step = best_.step();
        result_.seconds = since(start_);
        result_.epochs = epoch();
        result_.loss /= std::max<double>(1.0, static_cast<double>(result_.steps));
        return result_;
    }

    // The last step's weights have given no loss that would have shown it.
    bool is_finite() const {
        const torch::NoGradGuard no_grad;
        return std::ranges::all_of(parameters(job_.model), [](const auto& parameter) {
            return parameter.tensor->isfinite().all().template item<bool>();
        });
    }

    const TrainingJob& job_;
    const TrainOptions& options_;
    const Sink& sink_;
    const Processes& processes_;
    std::int64_t sentences_a_pass_, sentences_a_step_, steps_an_epoch_, total_steps_;
    Schedule schedule_;
    GradientExchange exchange_;
    AdamW optimizer_;
    torch::ScalarType dtype_;
    LossScale loss_scale_;
    nlohmann::json settings_;
    std::optional<TrainingLog> log_;  // these two: of the first process
    std::optional<CheckpointWriter> writer_;
    BestModel best_;
    LoadWatch watch_;
    InterruptGuard interrupts_;
    TrainingResult result_;
    LogWindow window_;
    std::filesystem::path saved_, good_;  // the last checkpoint; the last one before a step that was finite
    Clock::time_point start_ = Clock::now();
};

}  // namespace

TrainingResult train(const TrainingJob& job, const TrainOptions& options, const Sink& sink) {
    if (job.features.empty()) fail("training: there are no examples");
    return Run(job, options, sink).run();
}

}  // namespace moebert
