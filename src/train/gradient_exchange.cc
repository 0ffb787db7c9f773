#include "train/gradient_exchange.h"

#include <algorithm>

namespace moebert {

// Runs after a gradient was written into its parameter.
class GradientExchange::Hook : public torch::autograd::FunctionPostHook {
public:
    Hook(GradientExchange& exchange, std::size_t parameter) : exchange_(exchange), parameter_(parameter) {}
    torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                              const torch::autograd::variable_list&) override {
        exchange_.arrived(parameter_);
        return outputs;
    }

private:
    GradientExchange& exchange_;
    std::size_t parameter_;
};

namespace {

// The word embeddings: their gradient is sparse (see forward.cc), and so never in a bucket.
bool is_sparse(const Parameter& parameter) { return parameter.names.front().ends_with("word_embeddings.weight"); }

}  // namespace

GradientExchange::GradientExchange(std::vector<Parameter> parameters, const Processes& processes,
                                   std::int64_t bucket_bytes)
    : parameters_(std::move(parameters)),
      processes_(processes),
      bucket_of_(parameters_.size()),
      nodes_(parameters_.size()),
      has_arrived_(parameters_.size()) {
    if (processes.size() == 1) return;
    std::int64_t small = 0;  // bytes in the bucket of small ones that is being filled
    std::size_t open = 0;
    for (std::size_t i = parameters_.size(); i-- > 0;) {
        const auto& tensor = *parameters_[i].tensor;
        nodes_[i] = torch::autograd::impl::grad_accumulator(tensor);
        nodes_[i]->add_post_hook(std::make_unique<Hook>(*this, i));
        if (is_sparse(parameters_[i])) {
            sparse_.push_back(i);
            continue;
        }
        const auto bytes = tensor.numel() * 4;
        const bool large = bytes >= bucket_bytes;
        if (large || small == 0 || small + bytes > bucket_bytes) {
            if (!large) open = buckets_.size(), small = 0;
            buckets_.emplace_back();
        }
        bucket_of_[i] = large ? buckets_.size() - 1 : open;
        if (!large) small += bytes;
        buckets_[bucket_of_[i]].parameters.push_back(i);
    }
    // A bucket of small ones goes out with its last gradient.
    std::vector<std::size_t> order(buckets_.size());
    for (std::size_t b = 0; b < order.size(); ++b) order[b] = b;
    const auto last = [&](std::size_t b) { return buckets_[b].parameters.back(); };
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return last(a) > last(b); });
    std::vector<Bucket> sorted;
    for (const auto b : order) sorted.push_back(std::move(buckets_[b]));
    buckets_ = std::move(sorted);
    for (std::size_t b = 0; b < buckets_.size(); ++b)
        for (const auto i : buckets_[b].parameters) bucket_of_[i] = b;
}

GradientExchange::~GradientExchange() = default;

void GradientExchange::start() {
    if (processes_.size() == 1) return;
    for (auto& bucket : buckets_) bucket.waiting = bucket.parameters.size();
    std::fill(has_arrived_.begin(), has_arrived_.end(), false);
    sent_ = 0;
    started_ = true;
}

void GradientExchange::arrived(std::size_t parameter) {
    if (!started_ || has_arrived_[parameter] || is_sparse(parameters_[parameter])) return;
    has_arrived_[parameter] = true;
    --buckets_[bucket_of_[parameter]].waiting;
    send_ready();
}

void GradientExchange::send_ready() {
    for (; sent_ < buckets_.size() && buckets_[sent_].waiting == 0; ++sent_) send(buckets_[sent_]);
}

void GradientExchange::send(Bucket& bucket) {
    torch::NoGradGuard no_grad;
    if (bucket.parameters.size() == 1) {
        const auto& tensor = *parameters_[bucket.parameters.front()].tensor;
        bucket.values = tensor.grad().defined() ? tensor.grad().contiguous() : torch::zeros_like(tensor);
    } else {
        std::vector<torch::Tensor> flat;
        for (const auto i : bucket.parameters) {
            const auto& tensor = *parameters_[i].tensor;
            flat.push_back((tensor.grad().defined() ? tensor.grad() : torch::zeros_like(tensor)).flatten());
        }
        bucket.values = torch::cat(flat);
    }
    bucket.wait = processes_.sum_later(bucket.values);
}

void GradientExchange::finish(std::span<const std::int64_t> rows) {
    if (processes_.size() == 1) return;
    started_ = false;
    torch::NoGradGuard no_grad;
    auto has = torch::zeros({std::ssize(parameters_)});
    for (std::size_t i = 0; i < parameters_.size(); ++i)
        if (parameters_[i].tensor->grad().defined()) has[static_cast<std::int64_t>(i)] = 1.0F;
    for (; sent_ < buckets_.size(); ++sent_) send(buckets_[sent_]);
    processes_.sum(has);
    for (const auto i : sparse_) finish_rows(i, rows);
    for (auto& bucket : buckets_) {
        bucket.wait();
        std::int64_t first = 0;
        const auto values = bucket.values.flatten();
        for (const auto i : bucket.parameters) {
            auto& tensor = *parameters_[i].tensor;
            const auto count = tensor.numel();
            if (has[static_cast<std::int64_t>(i)].item<float>() > 0)
                tensor.mutable_grad() = values.narrow(0, first, count).view_as(tensor);
            else
                tensor.mutable_grad().reset();
            first += count;
        }
        bucket.values.reset();
    }
}

void GradientExchange::finish_rows(std::size_t parameter, std::span<const std::int64_t> rows) {
    auto& tensor = *parameters_[parameter].tensor;
    auto& grad = tensor.mutable_grad();
    const auto indices = torch::tensor(at::ArrayRef<std::int64_t>(rows.data(), rows.size())).to(tensor.device());
    auto values = torch::zeros({indices.numel(), tensor.size(1)}, tensor.options().requires_grad(false));
    if (grad.defined()) {
        const auto own = grad.coalesce();
        values.index_copy_(0, torch::searchsorted(indices, own._indices()[0]), own._values());
    }
    processes_.sum(values);
    grad = at::_sparse_coo_tensor_unsafe(indices.unsqueeze(0), values, tensor.sizes())._coalesced_(true);
}

}  // namespace moebert
