#include "parity.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "fixture.h"
#include "io/safetensors.h"
#include "moe/hash_table.h"
#include "moe/importance.h"
#include "moe/split.h"
#include "train/adamw.h"
#include "train/importance_pass.h"
#include "train/losses.h"

namespace moebert::parity {
namespace {

using Tensors = std::map<std::string, torch::Tensor>;

// Bounds. Rounding errors of a float32 sum of K terms grow as sqrt(K) u, u = 2^-24, of the terms' magnitude, and exceed
// three times that with probability 1e-2 a number at most (Higham & Mary 2019). An encoder layer has six such sums one
// after another (query/key, value, both attention products, W1, W2), whose errors add up; a gradient goes through the
// network twice.
class Bounds {
public:
    explicit Bounds(const Fixture& fixture) {
        const auto& c = fixture.config;
        const auto longest = static_cast<double>(std::max({c.hidden_size, c.intermediate_size, fixture.width}));
        sum_ = rounding(longest);
        layers_ = static_cast<double>(c.num_hidden_layers);
        tokens_ = rounding(static_cast<double>(fixture.sentences * fixture.width));
    }
    double forward(double layers) const { return (1.0 + 6.0 * layers) * sum_; }
    double output() const { return forward(layers_ + 1.0 / 3.0); }
    double gradient() const { return 2.0 * output() + tokens_; }  // and the sum over tokens
    // A step moves a parameter by lr * m / sqrt(v), at first by about lr times the gradient's sign, so that a relative
    // error of the gradient stays a relative error of the step; the loss moves with it and the steps add up.
    double steps(double count) const { return count * gradient(); }

private:
    static double rounding(double terms) { return 3.0 * std::sqrt(terms) * 0x1.0p-24; }

    double sum_, layers_, tokens_;
};

class Report {
public:
    // Adds the comparison to the checks of this kind, creating it.
    void compare(const std::string& kind, const std::string& where, torch::Tensor actual, torch::Tensor expected,
                 double bound) {
        actual = actual.detach().cpu().to(torch::kFloat64).reshape({-1});
        expected = expected.to(torch::kFloat64).reshape({-1});
        if (actual.sizes() != expected.sizes())
            fail("{}: {}: {} numbers, expected {}", kind, where, actual.numel(), expected.numel());
        const double scale = std::max(expected.abs().max().item<double>(), 1e-30);
        const double error = (actual - expected).abs().max().item<double>() / scale;
        record(kind, where, std::isfinite(error) ? error : HUGE_VAL, bound, expected.numel());
    }

    void compare_exactly(const std::string& kind, const std::string& where, const torch::Tensor& actual,
                         const torch::Tensor& expected) {
        if (actual.numel() != expected.numel())
            fail("{}: {}: {} numbers, expected {}", kind, where, actual.numel(), expected.numel());
        const auto differ = (actual.cpu().reshape({-1}) != expected.reshape({-1})).sum().item<std::int64_t>();
        record(kind, where, static_cast<double>(differ), 0.0, expected.numel());
    }

    std::vector<Check> take() { return std::move(checks_); }

private:
    void record(const std::string& kind, const std::string& where, double error, double bound, std::int64_t numbers) {
        auto found = std::find_if(checks_.begin(), checks_.end(), [&](const Check& c) { return c.kind == kind; });
        if (found == checks_.end()) found = checks_.insert(checks_.end(), Check{kind, where, 0.0, bound, 0});
        found->numbers += numbers;
        const bool worse = found->bound > 0 ? error / bound > found->error / found->bound : error > found->error;
        if (worse) *found = Check{kind, where, error, bound, found->numbers};
    }

    std::vector<Check> checks_;
};

torch::Tensor as_tensor(const std::vector<std::vector<std::int64_t>>& rows) {
    std::vector<std::int64_t> flat;
    for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
    return torch::tensor(flat);
}

torch::Tensor as_tensor(const std::vector<std::vector<double>>& rows) {
    std::vector<double> flat;
    for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
    return torch::tensor(flat, torch::kFloat64);
}

void compare_outputs(Report& report, const std::string& kind, const std::string& prefix, const ForwardResult& result,
                     const Tensors& expected, const Bounds& bounds) {
    for (std::size_t k = 0; k < result.hidden_states.size(); ++k) {
        const auto name = fmt::format("{}hidden.{}", prefix, k);
        report.compare(kind + "hidden states", name, result.hidden_states[k], expected.at(name),
                       bounds.forward(static_cast<double>(k)));
    }
    const auto logits = [&](const std::string& name, const torch::Tensor& value) {
        report.compare(kind + "logits", prefix + name, value, expected.at(prefix + name), bounds.output());
    };
    if (!expected.contains(prefix + "start_logits")) return logits("logits", result.logits);
    logits("start_logits", result.logits.select(1, 0));
    logits("end_logits", result.logits.select(1, 1));
}

void check_dense(Report& report, const Fixture& fixture, const Bounds& bounds) {
    const auto expected = read_tensors(fixture.folder / "dense_expected.safetensors");
    const auto model = load_model(fixture.dense, 0, false, fixture.device);
    ForwardOptions options;
    options.hidden_states = true;
    const auto result = forward(model, fixture.batch, options);
    compare_outputs(report, "dense ", "", result, expected, bounds);
    report.compare("dense loss", "per_sample_loss",
                   task_losses(fixture.config.problem_type, result.logits, fixture.batch),
                   expected.at("per_sample_loss"), bounds.output());
}

void check_importance(Report& report, const Fixture& fixture, const Bounds& bounds) {
    const auto expected = read_tensors(fixture.folder / "dense_expected.safetensors").at("importance");
    auto scores = torch::zeros(expected.sizes(), torch::kFloat64);
    accumulate_importance(load_model(fixture.dense, 0, false, fixture.device), fixture.batch, torch::kFloat32, scores);
    report.compare("importance", "importance", scores, expected, bounds.gradient());
    const auto file = load_importance(fixture.folder / "importance.pkl");
    report.compare("importance file", "importance.pkl", as_tensor(file.scores), expected, 0x1.0p-24);
}

// "N4_dim16_share8.layer0" -> the shape and the layer.
std::pair<SplitShape, std::size_t> parse_case(const std::string& name, std::int64_t intermediate_size) {
    long long n = 0, d = 0, s = 0, k = 0;
    if (std::sscanf(name.c_str(), "N%lld_dim%lld_share%lld.layer%lld", &n, &d, &s, &k) != 4)
        fail("splits_expected: {}: expected N<n>_dim<d>_share<s>.layer<k>", name);
    return {{n, d, s, intermediate_size}, static_cast<std::size_t>(k)};
}

void check_splits(Report& report, const Fixture& fixture) {
    const auto scores = load_importance(fixture.folder / "importance.pkl");
    for (const auto& [name, expected] : read_tensors(fixture.folder / "splits_expected.safetensors")) {
        const auto [shape, layer] = parse_case(name, fixture.config.intermediate_size);
        report.compare_exactly("splits", name, as_tensor(assign_neurons(scores.order.at(layer), shape)), expected);
    }
}

// The adapted model's experts are the dense model's neurons, bit for bit.
void check_experts(Report& report, const Fixture& fixture, const Checkpoint& moe, const std::string& kind) {
    const auto scores = load_importance(fixture.folder / "importance.pkl");
    const auto& c = fixture.config;
    const auto tables = make_hash_tables(moe.config.moe->route_method, c.num_hidden_layers, c.vocab_size, 1, 0,
                                         std::vector<std::int64_t>(static_cast<std::size_t>(c.vocab_size), 0));
    const auto split = split_checkpoint(fixture.dense, *moe.config.moe, scores.order, tables, 0);
    for (const auto& [name, tensor] : moe.tensors)
        if (!name.ends_with("gate.weight") && !name.ends_with("hash_list"))
            report.compare_exactly(kind + "weights after the split", name, to_torch(split.tensors.at(name)),
                                   to_torch(tensor));
    if (moe.config.moe->route_method != RouteMethod::hash_balance) return;
    const auto list = load_hash_list(fixture.folder / "balance.pkl", c.vocab_size, moe.config.moe->num_experts);
    for (std::int64_t k = 0; k < c.num_hidden_layers; ++k)
        report.compare_exactly("hash list file", "balance.pkl", torch::tensor(list),
                               to_torch(moe.tensors.at(fmt::format("bert.encoder.layer.{}.experts.hash_list", k))));
}

void check_evaluation(Report& report, const Fixture& fixture, const Checkpoint& moe, const Tensors& expected,
                      const Bounds& bounds, const std::string& kind, double load_balance) {
    ForwardOptions options;
    options.hidden_states = true;
    const auto result = forward(load_model(moe, 0, false, fixture.device), fixture.batch, options);
    compare_outputs(report, kind, "eval.", result, expected, bounds);
    auto loss = task_losses(fixture.config.problem_type, result.logits, fixture.batch).mean();
    if (result.balance_loss.defined()) loss = loss + load_balance * result.balance_loss;
    report.compare(kind + "loss", "eval.loss", loss, expected.at("eval.loss"), bounds.output());
    const auto& load = expected.at("eval.gate_load");
    for (std::size_t k = 0; k < result.expert_load.size(); ++k)
        report.compare_exactly(kind + "expert load", fmt::format("eval.gate_load, layer {}", k), result.expert_load[k],
                               load[static_cast<std::int64_t>(k)]);
}

struct Distillation {
    const Fixture& fixture;
    DistillationWeights weights;
    ForwardResult teacher;

    torch::Tensor loss(const Model& student) const {
        ForwardOptions options;
        options.hidden_states = true;
        const auto result = forward(student, fixture.batch, options);
        return distillation_loss(result, teacher, fixture.batch, fixture.config.problem_type, weights).total;
    }
};

// A softmax doesn't see what is added to all its inputs: the gradients of these biases are sums of large terms that
// cancel to zero but for rounding, and are held against the size of a gradient of the same terms.
std::string scale_partner(const std::string& gradient) {
    if (gradient.ends_with("key.bias")) return gradient.substr(0, gradient.size() - 8) + "query.bias";
    if (gradient.ends_with("qa_outputs.bias")) return "grad.qa_outputs.weight";
    return "";
}

// An expert that got no token has no gradient, here as there.
void compare_gradients(Report& report, Model& student, const Tensors& expected, double bound, const std::string& kind) {
    std::size_t compared = 0;
    for (const auto& parameter : parameters(student)) {
        auto grad = parameter.tensor->grad();
        if (grad.defined() && grad.is_sparse()) grad = grad.to_dense();
        const auto parts = (grad.defined() ? grad : torch::zeros_like(*parameter.tensor))
                               .chunk(static_cast<std::int64_t>(parameter.names.size()), 0);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const auto found = expected.find("grad." + parameter.names[i]);
            if (found == expected.end()) {
                if (grad.defined()) fail("{}gradients: {} has one, unexpectedly", kind, parameter.names[i]);
                continue;
            }
            const auto partner = expected.find(scale_partner(found->first));
            const auto others = partner == expected.end() ? torch::empty({0}) : partner->second.reshape({-1});
            report.compare(kind + "gradients", found->first, torch::cat({parts[i].reshape({-1}).cpu(), others}),
                           torch::cat({found->second.reshape({-1}), others}), bound);
            ++compared;
        }
    }
    const auto wanted =
        std::count_if(expected.begin(), expected.end(), [](const auto& e) { return e.first.starts_with("grad."); });
    if (static_cast<std::ptrdiff_t>(compared) != wanted)
        fail("{}gradients: {} compared, {} expected", kind, compared, wanted);
}

void check_training(Report& report, const Fixture& fixture, const Checkpoint& moe, const Tensors& expected,
                    const Bounds& bounds, const std::string& kind, double load_balance) {
    ForwardOptions with_hidden;
    with_hidden.hidden_states = true;
    const Distillation distillation{
        fixture,
        {fixture.meta.at("distill"), load_balance},
        forward(load_model(fixture.dense, 0, false, fixture.device), fixture.batch, with_hidden)};
    auto student = load_model(moe, 0, true, fixture.device);
    const auto first = distillation.loss(student);
    first.backward();
    report.compare(kind + "training loss", "train.loss", first, expected.at("train.loss"), bounds.output());
    compare_gradients(report, student, expected, bounds.gradient(), kind);

    const auto& settings = fixture.meta.at("adamw");
    const auto& losses = expected.at("train.losses");
    AdamW optimizer(parameters(student), {settings.at("betas").at(0), settings.at("betas").at(1), settings.at("eps"),
                                          settings.at("weight_decay")});
    for (std::int64_t step = 0; step < losses.numel(); ++step) {
        optimizer.zero_grad();
        const auto loss = distillation.loss(student);
        report.compare(kind + "losses of optimiser steps", fmt::format("train.losses, step {}", step), loss,
                       losses[step], bounds.steps(static_cast<double>(step + 1)));
        loss.backward();
        optimizer.step(settings.at("lr"), settings.at("clip_norm"));
    }
}

void check_method(Report& report, const Fixture& fixture, RouteMethod method, const Bounds& bounds) {
    const auto moe = read_moe(fixture, method);
    const auto expected = read_tensors(fixture.folder / ("moe_" + to_string(method) + "_expected.safetensors"));
    const double load_balance = fixture.meta.at("methods").at(to_string(method)).at("load_balance");
    const auto kind = to_string(method) + " ";
    check_experts(report, fixture, moe, kind);
    check_evaluation(report, fixture, moe, expected, bounds, kind, load_balance);
    check_training(report, fixture, moe, expected, bounds, kind, load_balance);
}

}  // namespace

std::vector<Check> check_folder(const std::filesystem::path& folder, const std::string& device) {
    const auto fixture = read_fixture(folder, torch::Device(device));
    const Bounds bounds(fixture);
    Report report;
    check_dense(report, fixture, bounds);
    check_importance(report, fixture, bounds);
    check_splits(report, fixture);
    for (const auto& [method, settings] : fixture.meta.at("methods").items())
        check_method(report, fixture, parse_route_method(method), bounds);
    return report.take();
}

}  // namespace moebert::parity
