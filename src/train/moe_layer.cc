#include "train/moe_layer.h"

#include <bit>

#include "core/random.h"

namespace moebert {

torch::Tensor feed_forward(const FeedForward& layer, const torch::Tensor& x, const FeedForwardSetting& setting,
                           const ActivationObserver& observer) {
    auto z = linear(x, layer.up, setting.dtype, setting.dtype);
    // An observer wants gradients of activations: where no weight needs one, they start at the first layer's.
    if (observer && !z.requires_grad()) z = z.detach().requires_grad_();
    const auto a = activation(z, setting.hidden_act);
    if (observer) observer(z, a);
    return add_norm(linear(a, layer.down, setting.dtype), x, layer.norm, setting.epsilon, setting.dropout);
}

namespace {

// (B, H): the mean of each sentence's token vectors, padding left out.
torch::Tensor sentence_means(const torch::Tensor& x, const BatchLayout& layout) {
    const auto lengths = torch::tensor(layout.key_lengths, x.options());
    auto weights = lengths.reciprocal().index_select(0, layout.sentence_of_row.to(x.device()));
    if (layout.rows() != lengths.sum().item<std::int64_t>()) {
        const auto starts = torch::tensor(layout.row_starts).index_select(0, layout.sentence_of_row);
        const auto position = torch::arange(layout.rows()) - starts;
        const auto last = torch::tensor(layout.key_lengths).index_select(0, layout.sentence_of_row);
        weights = weights * (position < last).to(weights.options());
    }
    return torch::zeros({layout.sentences(), x.size(1)}, x.options())
        .index_add(0, layout.sentence_of_row.to(x.device()), x * weights.unsqueeze(1));
}

// Probabilities are (items, N), items being tokens or sentences.
Routing choose(const torch::Tensor& probabilities) {
    const auto experts = probabilities.size(1);
    Routing routing;
    routing.expert = probabilities.argmax(1);
    routing.probability = probabilities.gather(1, routing.expert.unsqueeze(1));
    routing.load = torch::bincount(routing.expert, {}, experts);
    routing.mean_probability = probabilities.mean(0);
    return routing;
}

Routing look_up(const torch::Tensor& table, std::int64_t num_experts, const torch::Tensor& input_ids) {
    Routing routing;
    routing.expert = table.index_select(0, input_ids);
    routing.load = torch::bincount(routing.expert, {}, num_experts);
    return routing;
}

}  // namespace

Routing route(const Router& router, std::int64_t num_experts, const torch::Tensor& x, const Batch& batch) {
    if (!is_gated(router.method)) return look_up(router.hash_table, num_experts, batch.input_ids);
    if (router.method == RouteMethod::gate_token) return choose(at::linear(x, router.gate).softmax(1));
    auto routing = choose(at::linear(sentence_means(x, *batch.layout), router.gate).softmax(1));
    const auto sentence = batch.layout->sentence_of_row.to(x.device());
    routing.expert = routing.expert.index_select(0, sentence);
    routing.probability = routing.probability.index_select(0, sentence);
    return routing;
}

ExpertLoad no_load(const ModelConfig& config) {
    if (!config.moe) return {};
    return ExpertLoad(static_cast<std::size_t>(config.num_hidden_layers),
                      std::vector<std::int64_t>(static_cast<std::size_t>(config.moe->num_experts)));
}

void add_load(ExpertLoad& sum, const ExpertLoad& load) {
    sum.resize(load.size());
    for (std::size_t k = 0; k < load.size(); ++k) {
        sum[k].resize(load[k].size());
        for (std::size_t e = 0; e < load[k].size(); ++e) sum[k][e] += load[k][e];
    }
}

void add_load(ExpertLoad& sum, const std::vector<torch::Tensor>& load) {
    ExpertLoad counts;
    for (const auto& layer : load) {
        const auto host = layer.cpu();
        counts.emplace_back(host.data_ptr<std::int64_t>(), host.data_ptr<std::int64_t>() + host.numel());
    }
    add_load(sum, counts);
}

namespace {

// At most a thirty-second more. Products are made for a number of rows, which takes as long as a small one runs: few
// numbers make those of one batch serve the next.
std::int64_t filled(std::int64_t rows) {
    const auto step =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(rows))) / 32);
    return (rows + step - 1) / step * step;
}

// Rows side by side that one expert has, one expert after the other.
struct Groups {
    Slots slots;
    std::vector<std::int64_t> starts;  // (N + 1) slots
};

Groups group(const torch::Tensor& expert_of_row, std::size_t experts) {
    const auto expert = expert_of_row.cpu();
    const auto rows = expert.size(0);
    const auto* of = expert.data_ptr<std::int64_t>();
    std::vector<std::int64_t> next(experts);
    for (std::int64_t row = 0; row < rows; ++row) ++next[static_cast<std::size_t>(of[row])];
    Groups groups{{}, {0}};
    for (auto& count : next) {
        groups.starts.push_back(groups.starts.back() + filled(count));
        count = groups.starts[groups.starts.size() - 2];
    }
    auto row_of_slot = torch::zeros({groups.starts.back()}, torch::kInt64), slot_of_row = torch::empty_like(expert);
    for (std::int64_t row = 0; row < rows; ++row) {
        const auto slot = next[static_cast<std::size_t>(of[row])]++;
        row_of_slot.data_ptr<std::int64_t>()[slot] = row;
        slot_of_row.data_ptr<std::int64_t>()[row] = slot;
    }
    groups.slots = {row_of_slot.to(expert_of_row.device()), slot_of_row.to(expert_of_row.device())};
    return groups;
}

}  // namespace

torch::Tensor apply_experts(const std::vector<FeedForward>& experts, const Routing& routing, const torch::Tensor& x,
                            const FeedForwardSetting& setting) {
    const auto groups = group(routing.expert, experts.size());
    const auto grouped = to_slots(x, groups.slots);
    std::vector<torch::Tensor> outputs;
    for (std::size_t e = 0; e < experts.size(); ++e) {
        const auto first = groups.starts[e], count = groups.starts[e + 1] - first;
        auto own = setting;
        own.dropout.key = random_key(setting.dropout.key, e);
        if (count > 0) outputs.push_back(feed_forward(experts[e], grouped.narrow(0, first, count), own));
    }
    const auto y = from_slots(torch::cat(outputs), groups.slots);
    return routing.probability.defined() ? y * routing.probability : y;
}

}  // namespace moebert
