// Gradients added up over processes while the backward pass is still running, and the optimiser's work shared among
// them: each process owns some of the parameters, gets the sum of their gradients, steps, and sends them to the others
// (Rajbhandari et al. 2020, ZeRO, stage 1). Each bucket of parameters is sent when its last gradient is there; buckets
// go out in one order everywhere, that of a backward pass, the last layer first.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "train/adamw.h"
#include "train/model.h"
#include "train/processes.h"

namespace moebert {

class GradientExchange {
public:
    // With one process it does nothing. A large parameter is a bucket of its own, which need not be copied; small ones
    // share one of up to `bucket_bytes`.
    GradientExchange(std::vector<Parameter> parameters, const Processes& processes,
                     std::int64_t bucket_bytes = std::int64_t{1} << 20);
    ~GradientExchange();
    GradientExchange(const GradientExchange&) = delete;
    GradientExchange& operator=(const GradientExchange&) = delete;

    // Before the last backward pass of a step; in those before it gradients only add up, and nothing is sent.
    void start();

    // After that backward pass. A gradient is then the sum over processes in the process that owns the parameter, and
    // is gone in others; a parameter for which none had a gradient (an expert without tokens) has none. Sparse
    // gradients are those of the word embeddings, and are summed everywhere, to the same bits; `rows`, ascending, are
    // the ones that any process has, and the sum has exactly these.
    void finish(std::span<const std::int64_t> rows);

    // Every parameter becomes its owner's.
    void share_parameters();

    // The process that owns each parameter; kEveryone for those that every process steps for.
    const std::vector<int>& owners() const { return owners_; }

private:
    struct Bucket {
        std::vector<std::size_t> parameters;
        int owner = 0;
        std::size_t waiting = 0;  // for so many gradients
        torch::Tensor values;     // what is sent
        std::function<void()> wait;
    };
    class Hook;

    void arrived(std::size_t parameter);
    void send_ready();
    void send(Bucket& bucket);
    void choose_owners();
    template <class Visit>
    void for_each_part(const Bucket& bucket, Visit visit);
    void finish_rows(std::size_t parameter, std::span<const std::int64_t> rows);

    std::vector<Parameter> parameters_;
    const Processes& processes_;
    std::vector<Bucket> buckets_;                                // in the order they are sent
    std::vector<std::size_t> bucket_of_;                         // of each parameter
    std::vector<int> owners_;                                    // of each parameter
    std::vector<std::shared_ptr<torch::autograd::Node>> nodes_;  // where gradients arrive; they hold the hooks
    std::vector<bool> has_arrived_;
    std::vector<std::size_t> sparse_;
    std::size_t sent_ = 0;
    bool started_ = false;
};

}  // namespace moebert
