#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <list>
#include <mutex>
#include <thread>

#include "api/model.h"
#include "core/error.h"

namespace moebert {
namespace {

template <class Request, class Result>
struct Pending {
    Request request;
    std::promise<Result> promise;
};

// A list, since taking from one needs no memory: what is not taken would be left without an answer.
template <class Request, class Result>
using Queue = std::list<Pending<Request, Result>>;

// Takes up to `count` from the front.
template <class Request, class Result>
Queue<Request, Result> take(Queue<Request, Result>& queue, std::size_t count) {
    Queue<Request, Result> taken;
    taken.splice(taken.end(), queue, queue.begin(),
                 std::next(queue.begin(), static_cast<std::ptrdiff_t>(std::min(count, queue.size()))));
    return taken;
}

template <class Request, class Result, class Compute>
void fulfil_one(Pending<Request, Result>& pending, Compute compute) {
    try {
        auto results = compute({pending.request});
        pending.promise.set_value(std::move(results.front()));
    } catch (...) {
        pending.promise.set_exception(std::current_exception());
    }
}

// Fulfils all promises with compute(requests), a result for each. Where that fails, each is computed alone, so that one
// bad request spoils no other.
template <class Request, class Result, class Compute>
void fulfil(Queue<Request, Result> batch, Compute compute) {
    std::vector<Result> results;
    try {
        std::vector<Request> requests;
        for (const auto& pending : batch) requests.push_back(pending.request);
        results = compute(requests);
    } catch (...) {
        for (auto& pending : batch) fulfil_one(pending, compute);
        return;
    }
    auto next = results.begin();
    for (auto& pending : batch) pending.promise.set_value(std::move(*next++));
}

}  // namespace

struct Stream::State {
    State(Model given, std::size_t batch, std::size_t waiting)
        : model(std::move(given)), max_batch(batch), max_waiting(waiting) {
        thread = std::thread([this] { serve(); });
    }
    ~State() {
        {
            const std::lock_guard lock(mutex);
            closing = true;
        }
        wake.notify_one();
        thread.join();
    }

    template <class Request, class Result>
    std::future<Result> submit(Queue<Request, Result>& queue, Request request) {
        Queue<Request, Result> one;
        one.push_back({std::move(request), {}});
        auto result = one.front().promise.get_future();
        if (is_anothers()) fail("the stream was made before this process was forked; make one in the child");
        {
            std::unique_lock lock(mutex);
            room.wait(lock, [&] { return inputs.size() + queries.size() < max_waiting; });
            queue.splice(queue.end(), one);
        }
        wake.notify_one();
        return result;
    }

    void serve() {
        std::unique_lock lock(mutex);
        while (true) {
            wake.wait(lock, [&] { return closing || !inputs.empty() || !queries.empty(); });
            if (inputs.empty() && queries.empty()) return;
            auto some_inputs = take(inputs, max_batch);
            auto some_queries = take(queries, max_batch);
            lock.unlock();
            room.notify_all();
            if (!some_inputs.empty())
                fulfil(std::move(some_inputs),
                       [&](const std::vector<Input>& requests) { return model.classify(requests); });
            if (!some_queries.empty())
                fulfil(std::move(some_queries), [&](const std::vector<Query>& requests) {
                    std::vector<FoundAnswer> best;
                    for (auto& found : model.answer(requests)) best.push_back(std::move(found.front()));
                    return best;
                });
            lock.lock();
        }
    }

    bool is_anothers() const { return process != ::getpid(); }

    Model model;
    std::size_t max_batch, max_waiting;
    const pid_t process = ::getpid();  // whose thread it is
    std::mutex mutex;                  // of what follows
    std::condition_variable wake, room;
    Queue<Input, Prediction> inputs;
    Queue<Query, FoundAnswer> queries;
    bool closing = false;
    std::thread thread;
};

Stream::Stream(Model model, std::size_t max_batch, std::size_t max_waiting) {
    if (max_batch == 0) fail_usage("max_batch: 0 given; expected at least 1");
    if (max_waiting == 0) fail_usage("max_waiting: 0 given; expected at least 1");
    state_ = std::make_unique<State>(std::move(model), max_batch, max_waiting);
}

// A forked child leaves it to the system: the thread that it would wait for is the parent's.
Stream::~Stream() {
    if (state_ && state_->is_anothers()) static_cast<void>(state_.release());
}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&& other) noexcept {
    Stream before(std::move(*this));
    state_ = std::move(other.state_);
    return *this;
}

std::future<Prediction> Stream::classify(Input input) { return state_->submit(state_->inputs, std::move(input)); }
std::future<FoundAnswer> Stream::answer(Query query) { return state_->submit(state_->queries, std::move(query)); }

}  // namespace moebert
