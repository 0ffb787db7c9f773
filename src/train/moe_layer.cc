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
    const auto lengths = torch::tensor(layout.key_lengths, x.options()).index_select(0, layout.sentence_of_row);
    auto weights = lengths.reciprocal();
    if (layout.key_bias.defined())
        weights = weights * layout.key_bias.flatten().index_select(0, layout.padded.slot_of_row).exp();
    return torch::zeros({layout.sentences(), x.size(1)}, x.options())
        .index_add(0, layout.sentence_of_row, x * weights.unsqueeze(1));
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
    const auto& sentence = batch.layout->sentence_of_row;
    routing.expert = routing.expert.index_select(0, sentence);
    routing.probability = routing.probability.index_select(0, sentence);
    return routing;
}

ExpertLoad no_load(const ModelConfig& config) {
    if (!config.moe) return {};
    return ExpertLoad(static_cast<std::size_t>(config.num_hidden_layers),
                      std::vector<std::int64_t>(static_cast<std::size_t>(config.moe->num_experts)));
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

// `equal`: experts that have rows get equally many slots.
Groups group(const torch::Tensor& expert_of_row, std::size_t experts, bool equal) {
    const auto expert = expert_of_row.cpu();
    const auto rows = expert.size(0);
    const auto* of = expert.data_ptr<std::int64_t>();
    std::vector<std::int64_t> next(experts);
    for (std::int64_t row = 0; row < rows; ++row) ++next[static_cast<std::size_t>(of[row])];
    const auto most = *std::max_element(next.begin(), next.end());
    Groups groups{{}, {0}};
    for (auto& count : next) {
        groups.starts.push_back(groups.starts.back() + (equal && count > 0 ? most : filled(count)));
        count = groups.starts[groups.starts.size() - 2];
    }
    auto row_of_slot = torch::zeros({groups.starts.back()}, torch::kInt64), slot_of_row = torch::empty_like(expert),
         has_row = torch::zeros({groups.starts.back(), 1}, torch::kBool);
    for (std::int64_t row = 0; row < rows; ++row) {
        const auto slot = next[static_cast<std::size_t>(of[row])]++;
        row_of_slot.data_ptr<std::int64_t>()[slot] = row;
        slot_of_row.data_ptr<std::int64_t>()[row] = slot;
        has_row.data_ptr<bool>()[slot] = true;
    }
    const auto device = expert_of_row.device();
    groups.slots = {row_of_slot.to(device), slot_of_row.to(device), has_row.to(device)};
    return groups;
}

}  // namespace

torch::Tensor apply_experts(const std::vector<FeedForward>& experts, const Routing& routing, const torch::Tensor& x,
                            const FeedForwardSetting& setting) {
    if (!x.device().is_cpu()) return apply_experts_batched(experts, routing, x, setting);
    const auto groups = group(routing.expert, experts.size(), false);
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

torch::Tensor apply_experts_batched(const std::vector<FeedForward>& experts, const Routing& routing,
                                    const torch::Tensor& x, const FeedForwardSetting& setting) {
    const auto groups = group(routing.expert, experts.size(), true);
    std::vector<const FeedForward*> active;
    for (std::size_t e = 0; e < experts.size(); ++e)
        if (groups.starts[e + 1] > groups.starts[e]) active.push_back(&experts[e]);
    const auto count = std::ssize(active), width = x.size(1);
    // (experts, ...), a tensor of each.
    const auto stack = [&](auto tensor_of, torch::ScalarType dtype) {
        std::vector<torch::Tensor> tensors;
        for (const auto* expert : active) tensors.push_back(tensor_of(*expert));
        return torch::stack(tensors).to(dtype);
    };
    const auto apply = [&](const torch::Tensor& input, Linear FeedForward::*layer) {
        const auto weight = stack([&](const FeedForward&e) { return (e.*layer).weight; }, setting.dtype),
                   bias = stack([&](const FeedForward&e) { return (e.*layer).bias; }, setting.dtype);
        return at::baddbmm(bias.unsqueeze(1), input.to(setting.dtype), weight.transpose(1, 2));
    };
    const auto grouped = to_slots(x, groups.slots).view({count, -1, width});
    const auto z = apply(activation(apply(grouped, &FeedForward::up), setting.hidden_act), &FeedForward::down);
    const auto sum = dropout(z.to(torch::kFloat32), setting.dropout) + grouped;
    const auto norm_weight = stack([](const FeedForward&e) { return e.norm.weight; }, torch::kFloat32),
               norm_bias = stack([](const FeedForward&e) { return e.norm.bias; }, torch::kFloat32);
    const auto normed = at::addcmul(norm_bias.unsqueeze(1), at::layer_norm(sum, {width}, {}, {}, setting.epsilon),
                                    norm_weight.unsqueeze(1));
    const auto y = from_slots(normed.view({-1, width}), groups.slots);
    return routing.probability.defined() ? y * routing.probability : y;
}

}  // namespace moebert
