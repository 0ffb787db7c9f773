#include <sys/resource.h>

#include "cases.h"
#include "core/error.h"
#include "plain_bert.h"
#include "timing.h"
#include "train/adamw.h"
#include "train/losses.h"
#include "workload.h"

namespace moebert::bench {
namespace {

constexpr double kRate = 1e-6;  // small: the models stay what they are

struct Setting {
    ProblemType problem_type;
    std::vector<Feature> features;
    bool bf16;
    bool distil;
    torch::ScalarType dtype() const { return bf16 ? torch::kBFloat16 : torch::kFloat32; }
};

// A model, trained by this project.
struct Ours {
    const Setting& setting;
    Model model, teacher;
    AdamW optimizer;
    std::uint64_t steps = 0;

    Ours(const Setting& s, const Checkpoint& trained, const Checkpoint& dense)
        : setting(s),
          model(load_model(trained, 0, true)),
          teacher(load_model(dense)),
          optimizer(parameters(model), {}) {
        if (setting.distil) freeze_weights(teacher, setting.dtype());
    }

    void step(const std::vector<std::int64_t>& indices) {
        const auto batch = make_batch(setting.features, indices, setting.problem_type);
        ForwardOptions options;
        options.training = true;
        options.dtype = setting.dtype();
        options.dropout_key = ++steps;
        options.hidden_states = setting.distil;
        const auto output = forward(model, batch, options);
        loss(output, batch, options).backward();
        optimizer.step(kRate, 1.0);
    }

    torch::Tensor loss(const ForwardResult& output, const Batch& batch, ForwardOptions options) const {
        if (!setting.distil) return task_losses(setting.problem_type, output.logits, batch).mean();
        torch::NoGradGuard no_grad;
        options.training = false;
        const auto target = forward(teacher, batch, options);
        torch::AutoGradMode with_grad(true);
        return distillation_loss(output, target, batch, setting.problem_type, {1.0, 0.0}).total;
    }
};

// The same by plain libtorch on padded batches. Classes, or the tokens that may start and end an answer, are dimension
// 1 of the logits; losses are averaged over the others.
struct Plain {
    const Setting& setting;
    bool distil;
    Model model, teacher;
    std::vector<torch::Tensor> tensors;
    torch::optim::AdamW optimizer;

    Plain(const Setting& s, bool distils, const Checkpoint& trained, const Checkpoint& dense)
        : setting(s),
          distil(distils),
          model(load_model(trained, 0, true)),
          teacher(distils ? load_model(dense) : Model()),
          tensors(plain_parameters(model)),
          optimizer(tensors, torch::optim::AdamWOptions(kRate)) {}

    void step(const std::vector<std::int64_t>& indices) {
        const auto batch = pad(setting.features, indices);
        const auto output = plain_forward(model, batch, {true, setting.bf16});
        auto loss = torch::cross_entropy_loss(output.logits, batch.labels);
        if (distil) loss = loss + distance(output, batch);
        optimizer.zero_grad();
        loss.backward();
        torch::nn::utils::clip_grad_norm_(tensors, 1.0);
        optimizer.step();
    }

    torch::Tensor distance(const PlainResult& output, const PaddedBatch& batch) const {
        const auto target = [&] {
            torch::NoGradGuard no_grad;
            return plain_forward(teacher, batch, {false, setting.bf16});
        }();
        const auto p = output.logits.log_softmax(1), q = target.logits.log_softmax(1);
        auto sum = 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(1).mean();
        for (std::size_t k = 0; k < output.hidden_states.size(); ++k)
            sum = sum + torch::mse_loss(output.hidden_states[k], target.hidden_states[k]);
        return sum;
    }
};

template <class Trainer>
Variant variant(const std::string& name, Trainer& trainer, const Batches& batches) {
    return {name, [&trainer, &batches] {
                for (const auto& batch : batches) trainer.step(batch);
            }};
}

double padded_tokens(std::span<const Feature> features, const Batches& batches) {
    double slots = 0;
    for (const auto& batch : batches) slots += static_cast<double>(pad(features, batch).input_ids.numel());
    return slots;
}

// What a user's run takes: nothing else is in memory.
nlohmann::json packed_alone(const nlohmann::json& settings, const Setting& setting, const Batches& batches) {
    const auto& shape = settings.at("shape");
    Ours ours(setting, random_checkpoint(shape, setting.problem_type, setting.distil),
              random_checkpoint(shape, setting.problem_type, false));
    std::vector<Variant> variants{variant("packed", ours, batches)};
    measure(variants, settings.value("repetitions", 2));
    const auto tokens = static_cast<double>(count_tokens(setting.features, batches));
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return {{"tokens_per_second", tokens / median(variants[0].seconds)},
            {"peak_memory_gb", static_cast<double>(usage.ru_maxrss) * 1024 * 1e-9}};
}

}  // namespace

nlohmann::json training_case(const nlohmann::json& settings, const std::filesystem::path& data) {
    const std::int64_t size = settings.at("batch"), count = size * settings.at("batches").get<std::int64_t>();
    const std::string text = settings.at("text");
    const Setting setting{problem_type_of(text), workload(text, data, count), settings.at("precision") == "bf16",
                          settings.at("job") == "distill"};
    const auto mixed = mixed_batches(setting.features, size), grouped = batches_by_length(setting.features, size);
    if (settings.value("only_packed", false)) return packed_alone(settings, setting, mixed);
    const auto dense = random_checkpoint(settings.at("shape"), setting.problem_type, false);
    const auto trained = setting.distil ? random_checkpoint(settings.at("shape"), setting.problem_type, true) : dense;
    Ours ours(setting, trained, dense);
    Plain plain(setting, setting.distil, trained, dense), plain_dense(setting, false, dense, dense);
    std::vector<Variant> variants{variant("packed", ours, mixed), variant("padded", plain, mixed),
                                  variant("padded, grouped by length", plain, grouped),
                                  variant("padded dense", plain_dense, mixed)};
    if (!setting.distil) variants.pop_back();
    measure(variants, settings.value("repetitions", 3));
    const auto tokens = static_cast<double>(count_tokens(setting.features, mixed));
    nlohmann::json out{{"tokens_per_second", tokens / median(variants[0].seconds)},
                       {"padded_tokens_per_second", tokens / median(variants[1].seconds)},
                       {"grouped_tokens_per_second", tokens / median(variants[2].seconds)},
                       {"padding", padded_tokens(setting.features, mixed) / tokens},
                       {"speedup_against_padded", speedup(variants[0], variants[1])},
                       {"speedup_against_grouped", speedup(variants[0], variants[2])}};
    if (setting.distil) out["time_by_padded_dense_step"] = 1.0 / speedup(variants[0], variants[3]);
    return out;
}

}  // namespace moebert::bench
