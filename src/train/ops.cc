#include "train/ops.h"

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "train/gpu_kernels.h"
#include "train/matmul.h"

namespace moebert {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// What a custom function keeps beside tensors.
template <class T>
struct Holder : torch::CustomClassHolder {
    explicit Holder(T v) : value(std::move(v)) {}
    T value;
};

struct AttentionSetting {
    std::shared_ptr<const BatchLayout> layout;
    Heads heads;
    Dropout dropout;

    kernels::Sentences sentences() const { return {layout->row_starts, layout->key_lengths}; }
};

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
public:
    static torch::Tensor forward(AutogradContext* ctx, torch::Tensor qkv, const AttentionSetting& setting) {
        qkv = qkv.contiguous();
        const auto rows = qkv.size(0);
        auto context = torch::empty({rows, setting.heads.count * setting.heads.size}, qkv.options());
        auto log_sum = torch::empty({setting.heads.count, rows}, qkv.options());
        kernels::attention_forward(qkv.data_ptr<float>(), setting.sentences(), setting.heads, setting.dropout,
                                   context.data_ptr<float>(), log_sum.data_ptr<float>());
        ctx->save_for_backward({qkv, log_sum});
        ctx->saved_data["setting"] = c10::IValue::make_capsule(c10::make_intrusive<Holder<AttentionSetting>>(setting));
        return context;
    }

    static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
        const auto saved = ctx->get_saved_variables();
        const auto& setting = static_cast<Holder<AttentionSetting>&>(*ctx->saved_data["setting"].toCapsule()).value;
        const auto d_context = grads[0].contiguous();
        auto d_qkv = torch::zeros_like(saved[0]);
        kernels::attention_backward(saved[0].data_ptr<float>(), saved[1].data_ptr<float>(), d_context.data_ptr<float>(),
                                    setting.sentences(), setting.heads, setting.dropout, d_qkv.data_ptr<float>());
        return {d_qkv, torch::Tensor()};
    }
};

struct NormSetting {
    double epsilon;
    Dropout dropout;
};

kernels::NormShape norm_shape(const torch::Tensor& x, double epsilon) {
    return {x.size(0), x.size(1), static_cast<float>(epsilon)};
}

class AddNormFunction : public torch::autograd::Function<AddNormFunction> {
public:
    static torch::Tensor forward(AutogradContext* ctx, torch::Tensor x, torch::Tensor residual, torch::Tensor weight,
                                 torch::Tensor bias, const NormSetting& setting) {
        x = x.contiguous();
        residual = residual.contiguous();
        auto y = torch::empty_like(x), normalized = torch::empty_like(x);
        auto inverse_std = torch::empty({x.size(0)}, x.options());
        kernels::add_norm_forward(x.data_ptr<float>(), residual.data_ptr<float>(), setting.dropout,
                                  weight.data_ptr<float>(), bias.data_ptr<float>(), norm_shape(x, setting.epsilon),
                                  y.data_ptr<float>(), normalized.data_ptr<float>(), inverse_std.data_ptr<float>());
        ctx->save_for_backward({normalized, inverse_std, weight});
        ctx->saved_data["setting"] = c10::IValue::make_capsule(c10::make_intrusive<Holder<NormSetting>>(setting));
        return y;
    }

    static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
        const auto saved = ctx->get_saved_variables();
        const auto& setting = static_cast<Holder<NormSetting>&>(*ctx->saved_data["setting"].toCapsule()).value;
        const auto d_y = grads[0].contiguous();
        auto d_residual = torch::empty_like(d_y);
        // Without dropout both gradients are one.
        auto d_x = setting.dropout.p > 0 ? torch::empty_like(d_y) : d_residual;
        const bool wants_weights = ctx->needs_input_grad(2);
        auto d_weight = wants_weights ? torch::empty_like(saved[2]) : torch::Tensor();
        auto d_bias = wants_weights ? torch::empty_like(saved[2]) : torch::Tensor();
        kernels::add_norm_backward(d_y.data_ptr<float>(), saved[0].data_ptr<float>(), saved[1].data_ptr<float>(),
                                   saved[2].data_ptr<float>(), setting.dropout, norm_shape(d_y, setting.epsilon),
                                   setting.dropout.p > 0 ? d_x.data_ptr<float>() : nullptr,
                                   d_residual.data_ptr<float>(), wants_weights ? d_weight.data_ptr<float>() : nullptr,
                                   wants_weights ? d_bias.data_ptr<float>() : nullptr);
        return {d_x, d_residual, d_weight, d_bias, torch::Tensor()};
    }
};

Precision precision_of(const torch::Tensor& tensor) {
    return tensor.scalar_type() == torch::kBFloat16 ? Precision::bf16 : Precision::f32;
}

Matrix as_matrix(const torch::Tensor& tensor, bool transposed = false) {
    return {tensor.data_ptr(), precision_of(tensor), transposed};
}

struct LinearSetting {
    torch::ScalarType operands, result;
};

// a b (+ bias); either operand may be read transposed. Both are contiguous and of one type.
torch::Tensor product(const torch::Tensor& a, bool a_transposed, const torch::Tensor& b, bool b_transposed,
                      const torch::Tensor& bias, torch::ScalarType result) {
    if (!a.device().is_cpu()) {
        const auto left = a_transposed ? a.t() : a, right = b_transposed ? b.t() : b;
        return (bias.defined() ? at::addmm(bias.to(a.scalar_type()), left, right) : at::mm(left, right)).to(result);
    }
    const ProductShape shape{a.size(a_transposed ? 1 : 0), b.size(b_transposed ? 0 : 1), a.size(a_transposed ? 0 : 1)};
    auto c = torch::empty({shape.rows, shape.columns}, a.options().dtype(result));
    const auto plain = bias.defined() ? bias.to(torch::kFloat32) : torch::Tensor();
    matmul(as_matrix(a, a_transposed), as_matrix(b, b_transposed), plain.defined() ? plain.data_ptr<float>() : nullptr,
           shape, c.data_ptr(), precision_of(c));
    return c;
}

torch::Tensor column_sums(const torch::Tensor& x) {
    if (!x.device().is_cpu()) return x.sum(0, /*keepdim=*/false, torch::kFloat32);
    const auto plain = x.to(torch::kFloat32).contiguous();
    auto sums = torch::empty({x.size(1)}, plain.options());
    kernels::column_sums(plain.data_ptr<float>(), x.size(0), x.size(1), sums.data_ptr<float>());
    return sums;
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
public:
    static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& input, const torch::Tensor& weight,
                                 const torch::Tensor& bias, const LinearSetting& setting) {
        const auto x = input.to(setting.operands).contiguous(), w = weight.to(setting.operands);
        ctx->save_for_backward({x, w});
        ctx->saved_data["input"] = static_cast<std::int64_t>(input.scalar_type());
        return product(x, false, w, true, bias, setting.result);
    }

    static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
        const auto saved = ctx->get_saved_variables();
        const auto &x = saved[0], &w = saved[1];
        const auto d_y = grads[0].to(x.scalar_type()).contiguous();
        torch::Tensor d_x, d_w, d_b;
        if (ctx->needs_input_grad(0)) {
            const auto type = static_cast<torch::ScalarType>(ctx->saved_data["input"].toInt());
            d_x = product(d_y, false, w, false, {}, type);
        }
        if (ctx->needs_input_grad(1)) d_w = product(d_y, true, x, false, {}, torch::kFloat32);
        if (ctx->needs_input_grad(2)) d_b = column_sums(grads[0]);
        return {d_x, d_w, d_b, torch::Tensor()};
    }
};

class ToSlotsFunction : public torch::autograd::Function<ToSlotsFunction> {
public:
    static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& x, const Slots& slots) {
        ctx->save_for_backward({slots.slot_of_row});
        return x.index_select(0, slots.row_of_slot);
    }

    static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
        return {grads[0].index_select(0, ctx->get_saved_variables()[0]), torch::Tensor()};
    }
};

class FromSlotsFunction : public torch::autograd::Function<FromSlotsFunction> {
public:
    static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& x, const Slots& slots) {
        ctx->save_for_backward({slots.row_of_slot, slots.has_row});
        return x.index_select(0, slots.slot_of_row);
    }

    static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
        const auto saved = ctx->get_saved_variables();
        return {grads[0].index_select(0, saved[0]).mul_(saved[1]), torch::Tensor()};
    }
};

}  // namespace

namespace {

torch::Tensor packed_linear(const torch::Tensor& input, const PackedMatrix& weight, const torch::Tensor& bias,
                            torch::ScalarType result) {
    const auto operands = weight.precision() == Precision::bf16 ? torch::kBFloat16 : torch::kFloat32;
    const auto x = input.to(operands).contiguous();
    auto y = torch::empty({x.size(0), weight.columns()}, x.options().dtype(result));
    matmul(x.data_ptr(), weight, bias.data_ptr<float>(), x.size(0), y.data_ptr(), precision_of(y));
    return y;
}

}  // namespace

Linear frozen(const Linear& layer, torch::ScalarType dtype) {
    const auto weight = layer.weight.to(dtype).contiguous();
    if (!weight.device().is_cpu()) return {weight, layer.bias.to(dtype)};
    return {{}, layer.bias, PackedMatrix(as_matrix(weight, true), weight.size(1), weight.size(0))};
}

torch::Tensor linear(const torch::Tensor& x, const Linear& layer, torch::ScalarType dtype, torch::ScalarType result) {
    if (layer.packed) return packed_linear(x, *layer.packed, layer.bias, result);
    return LinearFunction::apply(x, layer.weight, layer.bias, LinearSetting{dtype, result});
}

torch::Tensor attention(const torch::Tensor& qkv, const std::shared_ptr<const BatchLayout>& layout, Heads heads,
                        Dropout dropout) {
    if (!qkv.device().is_cpu()) return gpu::attention(qkv, *layout, heads, dropout.p);
    return AttentionFunction::apply(qkv, AttentionSetting{layout, heads, dropout});
}

torch::Tensor attention_plain(const torch::Tensor& qkv, const BatchLayout& layout, Heads heads, double dropout_p) {
    std::vector<torch::Tensor> contexts;
    for (std::int64_t b = 0; b < layout.sentences(); ++b) {
        const auto first = layout.row_starts[static_cast<std::size_t>(b)];
        const auto rows = layout.row_starts[static_cast<std::size_t>(b) + 1] - first;
        const auto parts = qkv.narrow(0, first, rows).view({rows, 3, heads.count, heads.size}).permute({1, 2, 0, 3});
        const auto keys = layout.key_lengths[static_cast<std::size_t>(b)];
        const auto key = parts[1].narrow(1, 0, keys), value = parts[2].narrow(1, 0, keys);
        auto scores = at::matmul(parts[0], key.transpose(1, 2)) / std::sqrt(static_cast<double>(heads.size));
        auto probabilities = at::dropout(scores.softmax(-1), dropout_p, dropout_p > 0);
        contexts.push_back(at::matmul(probabilities, value).transpose(0, 1).reshape({rows, heads.count * heads.size}));
    }
    return torch::cat(contexts);
}

torch::Tensor add_norm(const torch::Tensor& x, const torch::Tensor& residual, const LayerNorm& norm, double epsilon,
                       Dropout dropout) {
    if (!x.device().is_cpu()) return add_norm_plain(x, residual, norm, epsilon, dropout.p);
    return AddNormFunction::apply(x.to(torch::kFloat32), residual, norm.weight, norm.bias,
                                  NormSetting{epsilon, dropout});
}

torch::Tensor add_norm_plain(const torch::Tensor& x, const torch::Tensor& residual, const LayerNorm& norm,
                             double epsilon, double dropout_p) {
    const auto dropped = at::dropout(x.to(torch::kFloat32), dropout_p, dropout_p > 0);
    return at::layer_norm(dropped + residual, {x.size(-1)}, norm.weight, norm.bias, epsilon);
}

torch::Tensor dropout(const torch::Tensor& x, Dropout dropout) {
    if (dropout.p <= 0) return x;
    if (!x.device().is_cpu()) return at::dropout(x, dropout.p, true);
    auto mask = torch::empty_like(x, torch::TensorOptions(torch::kFloat32), torch::MemoryFormat::Contiguous);
    kernels::dropout_mask(dropout, mask.numel(), mask.data_ptr<float>());
    return x * mask;
}

torch::Tensor activation(const torch::Tensor& x, const std::string& name) {
    if (name == "gelu" || name == "gelu_python") return at::gelu(x);
    if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return at::gelu(x, "tanh");
    if (name == "gelu_10") return at::clamp(at::gelu(x), -10, 10);
    if (name == "quick_gelu") return x * at::sigmoid(1.702 * x);
    if (name == "relu") return at::relu(x);
    if (name == "relu6") return at::clamp(x, 0, 6);
    if (name == "silu" || name == "swish") return at::silu(x);
    if (name == "mish") return at::mish(x);
    if (name == "tanh") return at::tanh(x);
    if (name == "sigmoid") return at::sigmoid(x);
    if (name == "leaky_relu") return at::leaky_relu(x);
    if (name == "linear") return x;
    fail("hidden_act: '{}' is no known activation function", name);
}

torch::Tensor to_slots(const torch::Tensor& x, const Slots& slots) { return ToSlotsFunction::apply(x, slots); }
torch::Tensor from_slots(const torch::Tensor& x, const Slots& slots) { return FromSlotsFunction::apply(x, slots); }

}  // namespace moebert
