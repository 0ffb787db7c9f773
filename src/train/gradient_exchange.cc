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
      owners_(parameters_.size(), kEveryone),
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
    choose_owners();
}

// Each bucket's is the process that has least to do so far.
void GradientExchange::choose_owners() {
    std::vector<std::int64_t> work(static_cast<std::size_t>(processes_.size()));
    for (auto& bucket : buckets_) {
        const auto least = std::min_element(work.begin(), work.end());
        bucket.owner = static_cast<int>(least - work.begin());
        for (const auto i : bucket.parameters) {
            *least += parameters_[i].tensor->numel();
            owners_[i] = bucket.owner;
        }
    }
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

namespace {

// The tensor itself, where there is only one, which need not be copied.
torch::Tensor flat(std::vector<torch::Tensor> tensors) {
    if (tensors.size() == 1) return tensors.front().contiguous();
    for (auto& tensor : tensors) tensor = tensor.flatten();
    return torch::cat(tensors);
}

}  // namespace

void GradientExchange::send(Bucket& bucket) {
    torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> gradients;
    for (const auto i : bucket.parameters) {
        const auto& tensor = *parameters_[i].tensor;
        gradients.push_back(tensor.grad().defined() ? tensor.grad() : torch::zeros_like(tensor));
    }
    bucket.values = flat(std::move(gradients));
    bucket.wait = processes_.sum_at_later(bucket.owner, bucket.values);
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
        for_each_part(bucket, [&](std::size_t i, const torch::Tensor& values) {
            auto& grad = parameters_[i].tensor->mutable_grad();
            if (bucket.owner == processes_.rank() && has[static_cast<std::int64_t>(i)].item<float>() > 0)
                grad = values;
            else
                grad.reset();
        });
        bucket.values.reset();
    }
}

void GradientExchange::share_parameters() {
    if (processes_.size() == 1) return;
    torch::NoGradGuard no_grad;
    for (auto& bucket : buckets_) {
        std::vector<torch::Tensor> tensors;
        for (const auto i : bucket.parameters) tensors.push_back(*parameters_[i].tensor);
        bucket.values = flat(std::move(tensors));
        bucket.wait = processes_.broadcast_later(bucket.values, bucket.owner);
    }
    for (auto& bucket : buckets_) {
        bucket.wait();
        for_each_part(bucket, [&](std::size_t i, const torch::Tensor& values) {
            auto& tensor = *parameters_[i].tensor;
            if (bucket.owner != processes_.rank() && !values.is_alias_of(tensor)) tensor.copy_(values);
        });
        bucket.values.reset();
    }
}

// Visits each parameter of the bucket and its part of what was sent.
template <class Visit>
void GradientExchange::for_each_part(const Bucket& bucket, Visit visit) {
    std::int64_t first = 0;
    const auto values = bucket.values.flatten();
    for (const auto i : bucket.parameters) {
        const auto& tensor = *parameters_[i].tensor;
        visit(i, values.narrow(0, first, tensor.numel()).view_as(tensor));
        first += tensor.numel();
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
