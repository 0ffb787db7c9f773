#include "engine/engine.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <latch>
#include <mutex>
#include <numeric>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "core/cores.h"
#include "core/error.h"
#include "engine/forward.h"
#include "engine/team.h"
#include "tasks/feature_set.h"

namespace moebert::engine {
namespace {

// Indices of features: by falling length, cut into batches.
struct Plan {
    std::vector<std::size_t> order;
    std::vector<std::size_t> starts;  // of batches in `order`, and its size
};

// Of several threads each should take two batches or more, unless they get small, so that one that another program
// slows down leaves some to the others.
std::int64_t most_tokens(std::int64_t total, std::int64_t max_tokens, std::int64_t threads) {
    constexpr std::int64_t kSmall = 512;
    if (threads == 1) return max_tokens;
    return std::clamp(divide_up(total, 2 * threads), std::min(kSmall, max_tokens), max_tokens);
}

// Small enough that every one of `threads` gets its share.
Plan plan_batches(std::span<const Feature> features, const EngineOptions& options, std::int64_t threads) {
    Plan plan{std::vector<std::size_t>(features.size()), {}};
    std::iota(plan.order.begin(), plan.order.end(), std::size_t{0});
    std::ranges::stable_sort(plan.order, std::greater(), [&](std::size_t i) { return features[i].input_ids.size(); });
    std::int64_t total = 0;
    for (const auto& feature : features) total += std::ssize(feature.input_ids);
    const auto most = most_tokens(total, options.max_tokens, threads);
    const auto shares = threads * std::max<std::int64_t>(1, divide_up(total, threads * most));
    const auto limit = std::min(most, divide_up(total, shares));
    std::int64_t tokens = limit, sentences = 0;
    for (std::size_t i = 0; i < plan.order.size(); ++i) {
        const auto length = std::ssize(features[plan.order[i]].input_ids);
        const bool is_full = options.max_sentences > 0 && sentences == options.max_sentences;
        if (is_full || tokens + length > limit) {
            plan.starts.push_back(i);
            tokens = sentences = 0;
        }
        tokens += length;
        ++sentences;
    }
    plan.starts.push_back(plan.order.size());
    return plan;
}

// A worker and a thread that waits until there is something for it to do.
class Helper {
public:
    explicit Helper(const Weights& weights) : worker(weights) {}
    ~Helper() {
        thread_.request_stop();
        wake_.notify_one();
    }

    // Unless there is one. Throws a std::system_error where the system has no thread left.
    void make_thread() {
        if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
    }

    // `task` runs on this helper's thread.
    void start(std::function<void()> task) {
        const std::lock_guard lock(mutex_);
        task_ = std::move(task);
        wake_.notify_one();
    }

    Worker worker;

private:
    void serve(const std::stop_token& stop) {
        const OneThread one;
        std::unique_lock lock(mutex_);
        while (wake_.wait(lock, stop, [&] { return static_cast<bool>(task_); })) {
            const auto task = std::exchange(task_, {});
            lock.unlock();
            task();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::function<void()> task_;
    std::jthread thread_;  // the last member: it uses the others
};

// Before any of them has something to do: once some work, a failure to start the others comes too late. Not before they
// are wanted, since a process that forks after loading a model has none of its threads in the child.
void make_threads(std::span<Helper* const> helpers) {
    std::size_t made = 0;
    try {
        for (; made < helpers.size(); ++made) helpers[made]->make_thread();
    } catch (const std::system_error& error) {
        fail("threads: the system starts {} threads beside this one, of {}: {}", made, helpers.size(),
             error.code().message());
    }
}

}  // namespace

struct Engine::State {
    EngineOptions options;
    Weights weights;
    std::vector<std::unique_ptr<Helper>> helpers;
    std::mutex mutex;  // of what follows
    std::condition_variable released;
    std::vector<Helper*> free;
    std::vector<std::unique_ptr<Team>> teams;  // that nobody uses
    std::atomic<pid_t> process = 0;            // that has computed, and so has the threads

    bool is_anothers() const { return process != 0 && process != ::getpid(); }

    // A child has none of the threads, and perhaps locks that nobody opens.
    void check_process() {
        pid_t none = 0;
        process.compare_exchange_strong(none, ::getpid());
        if (is_anothers())
            fail("the model has computed before this process was forked; load it anew in the child, or fork before");
    }

    // One to `wanted` helpers.
    std::vector<Helper*> take(std::size_t wanted) {
        std::unique_lock lock(mutex);
        released.wait(lock, [&] { return !free.empty(); });
        const auto count = std::min(std::max<std::size_t>(1, wanted), free.size());
        std::vector<Helper*> taken(free.end() - static_cast<std::ptrdiff_t>(count), free.end());
        free.resize(free.size() - count);
        return taken;
    }

    void give_back(const std::vector<Helper*>& helpers_back) {
        {
            const std::lock_guard lock(mutex);
            free.insert(free.end(), helpers_back.begin(), helpers_back.end());
        }
        released.notify_all();
    }

    std::unique_ptr<Team> take_team(std::size_t size) {
        {
            const std::lock_guard lock(mutex);
            const auto fits = [&](const auto& team) { return team->size() == static_cast<std::int64_t>(size); };
            if (const auto found = std::ranges::find_if(teams, fits); found != teams.end()) {
                auto team = std::move(*found);
                teams.erase(found);
                return team;
            }
        }
        return std::make_unique<Team>(weights, size);
    }

    void give_back(std::unique_ptr<Team> team) {
        const std::lock_guard lock(mutex);
        teams.push_back(std::move(team));
    }
};

namespace {

// One call of Engine::run: what its workers share.
class Run {
public:
    Run(std::span<const Feature> features, const ModelConfig& config, const std::function<void(std::int64_t)>& progress)
        : features_(features), starts_(logit_starts(features, config)), progress_(progress) {
        result.logits.resize(starts_.back());
    }

    // Every worker takes one batch after another.
    void by_sentences(std::span<Helper* const> helpers, const EngineOptions& options) {
        const auto plan = plan_batches(features_, options, std::ssize(helpers));
        std::atomic<std::size_t> next = 0;
        const auto batches = plan.starts.size() - 1;
        on_all(helpers, [&](std::size_t i) {
            auto& worker = helpers[i]->worker;
            std::vector<const Feature*> sentences;
            for (auto batch = next++; batch < batches && !error_; batch = next++) {
                const auto indices =
                    std::span(plan.order).subspan(plan.starts[batch], plan.starts[batch + 1] - plan.starts[batch]);
                sentences.clear();
                for (const auto index : indices) sentences.push_back(&features_[index]);
                const float* from = worker.run(sentences).data();
                for (const auto index : indices) {
                    put({from, starts_[index + 1] - starts_[index]}, starts_[index]);
                    from += starts_[index + 1] - starts_[index];
                }
                count(worker, std::ssize(sentences));
            }
        });
    }

    // All helpers compute one sentence after another.
    void by_columns(std::span<Helper* const> helpers, Team& team) {
        on_all(helpers, [&](std::size_t i) { run_member(team, i); });
    }

    EngineResult result;

private:
    // A member that fails leaves the team, or the others would wait for it.
    void run_member(Team& team, std::size_t member) try {
        for (std::size_t index = 0; index < features_.size(); ++index) {
            const auto logits = team.run(features_[index], static_cast<std::int64_t>(member));
            if (member > 0) continue;
            put(logits, starts_[index]);
            count(team, 1);
        }
    } catch (const Meeting::Left&) {  // the one that left says why
    } catch (...) {
        keep_failure();
        team.leave();
    }

    void put(std::span<const float> logits, std::size_t start) {
        std::copy(logits.begin(), logits.end(), result.logits.begin() + static_cast<std::ptrdiff_t>(start));
    }

    // `by`: a Worker or a Team.
    template <class Computer>
    void count(const Computer& by, std::int64_t examples) {
        const std::lock_guard lock(mutex_);
        done_ += examples;
        add_load(result.expert_load, by.expert_load());
        if (progress_) progress_(done_);
    }

    // The exception that is being handled.
    void keep_failure() {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        error_ = true;
    }

    // work(i) on all of them at once, the first on this thread. Rethrows the first error.
    void on_all(std::span<Helper* const> helpers, const std::function<void(std::size_t)>& work) {
        make_threads(helpers.subspan(1));
        std::latch ended(std::ssize(helpers));
        const auto guarded = [&](std::size_t i) {
            try {
                work(i);
            } catch (...) {
                keep_failure();
            }
            ended.count_down();
        };
        for (std::size_t i = 1; i < helpers.size(); ++i) helpers[i]->start([&guarded, i] { guarded(i); });
        const OneThread one;
        guarded(0);
        ended.wait();
        if (failure_) std::rethrow_exception(failure_);
    }

    std::span<const Feature> features_;
    std::vector<std::size_t> starts_;  // in the logits
    const std::function<void(std::int64_t)>& progress_;
    std::atomic<bool> error_ = false;
    std::mutex mutex_;  // of what follows, and of the result's loads
    std::int64_t done_ = 0;
    std::exception_ptr failure_;
};

}  // namespace

namespace {

Weights pack_checked(const Checkpoint& checkpoint, Precision precision) {
    check_supported(precision);
    const OneThread one;
    return pack_weights(checkpoint, precision);
}

}  // namespace

Engine::Engine(const Checkpoint& checkpoint, const EngineOptions& options)
    : Engine(pack_checked(checkpoint, options.precision), options) {}

Engine::Engine(Weights weights, const EngineOptions& options) : state_(std::make_unique<State>()) {
    constexpr std::int64_t kMostThreads = 1024;  // more are a mistake: each has work space of its own
    if (options.threads < 0 || options.threads > kMostThreads)
        fail_usage("threads: {} given; expected 0 (one a core) to {}", options.threads, kMostThreads);
    if (options.max_tokens < 1) fail_usage("max_tokens: {} given; expected at least 1", options.max_tokens);
    if (options.max_sentences < 0)
        fail_usage("per_device_eval_batch_size: {} given; expected 0 (any) or more", options.max_sentences);
    state_->options = options;
    state_->options.precision = weights.precision;
    if (options.threads == 0) state_->options.threads = usable_cores();
    state_->weights = std::move(weights);
    for (std::int64_t i = 0; i < state_->options.threads; ++i) {
        state_->helpers.push_back(std::make_unique<Helper>(state_->weights));
        state_->free.push_back(state_->helpers.back().get());
    }
}

// A forked child leaves it to the system: the threads that it would wait for are the parent's.
Engine::~Engine() {
    if (state_ && state_->is_anothers()) static_cast<void>(state_.release());
}
Engine::Engine(Engine&&) noexcept = default;

const ModelConfig& Engine::config() const { return state_->weights.config; }
const EngineOptions& Engine::options() const { return state_->options; }
const Weights& Engine::weights() const { return state_->weights; }

PartSeconds Engine::seconds() const {
    PartSeconds sum{};
    const auto add_up = [&](const PartSeconds& seconds) {
        std::ranges::transform(sum, seconds, sum.begin(), std::plus<>());
    };
    for (const auto& helper : state_->helpers) add_up(helper->worker.seconds());
    for (const auto& team : state_->teams) add_up(team->seconds());
    return sum;
}

double Engine::operations() const {
    double sum = 0.0;
    for (const auto& helper : state_->helpers) sum += helper->worker.operations();
    for (const auto& team : state_->teams) sum += team->operations();
    return sum;
}

EngineResult Engine::run(std::span<const Feature> features, const std::function<void(std::int64_t)>& progress) const {
    const auto start = std::chrono::steady_clock::now();
    state_->check_process();
    const auto& options = state_->options;
    const auto threads = static_cast<std::size_t>(options.threads);
    const bool by_columns =
        options.sharing == Sharing::columns || (options.sharing == Sharing::automatic && features.size() < threads);
    Run run(features, config(), progress);
    const auto helpers = state_->take(by_columns ? threads : std::min(threads, features.size()));
    try {
        if (by_columns && helpers.size() > 1) {
            auto team = state_->take_team(helpers.size());
            run.by_columns(helpers, *team);
            state_->give_back(std::move(team));  // one that failed is gone
        } else {
            run.by_sentences(helpers, options);
        }
    } catch (...) {
        state_->give_back(helpers);
        throw;
    }
    state_->give_back(helpers);
    for (const auto& feature : features) run.result.tokens += std::ssize(feature.input_ids);
    run.result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(run.result);
}

Sharing parse_sharing(const std::string& name) {
    if (name == "automatic") return Sharing::automatic;
    if (name == "sentences") return Sharing::sentences;
    if (name == "columns") return Sharing::columns;
    fail_usage("sharing: '{}' given; expected automatic, sentences or columns", name);
}

std::string description(const Engine& engine) {
    const auto threads = engine.options().threads;
    return fmt::format("{}, {} thread{}, {}, vectors {}", to_string(engine.options().precision), threads,
                       threads == 1 ? "" : "s", product_target(), vector_target());
}

}  // namespace moebert::engine
