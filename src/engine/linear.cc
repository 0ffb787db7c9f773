#include "engine/linear.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <unordered_map>

#include "core/error.h"
#include "engine/kernels.h"
#include "engine/onednn.h"
#include "engine/panels.h"
#include "engine/quantization.h"
#include "engine/split_tiles.h"
#include "engine/tiles.h"

namespace moebert::engine {

using namespace onednn;

namespace {

// Rows at a time, where integer sums are gone over again: they should still be in the cache then.
constexpr std::int64_t kIntegerBlock = 64;
constexpr std::int64_t kFloatBlock = 384;  // reading weights once more costs more than what no longer fits the cache
constexpr std::int64_t kFloatBlockOnTiles = 256;
constexpr std::int64_t kBlockOnPanels = 192;  // the second cache has their values of so many steps

// A function of one value, as oneDNN has it.
struct Elementwise {
    dnnl::algorithm algorithm;
    float alpha = 0.0F, beta = 0.0F;
};

// One after the other they are the activation.
std::vector<Elementwise> parse_activation(const std::string& name) {
    using dnnl::algorithm;
    if (name == "linear") return {};
    if (name == "gelu" || name == "gelu_python") return {{algorithm::eltwise_gelu_erf}};
    if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast")
        return {{algorithm::eltwise_gelu_tanh}};
    if (name == "gelu_10") return {{algorithm::eltwise_gelu_erf}, {algorithm::eltwise_clip, -10.0F, 10.0F}};
    if (name == "quick_gelu") return {{algorithm::eltwise_swish, 1.702F}};
    if (name == "relu") return {{algorithm::eltwise_relu}};
    if (name == "relu6") return {{algorithm::eltwise_clip, 0.0F, 6.0F}};
    if (name == "silu" || name == "swish") return {{algorithm::eltwise_swish, 1.0F}};
    if (name == "mish") return {{algorithm::eltwise_mish}};
    if (name == "tanh") return {{algorithm::eltwise_tanh}};
    if (name == "sigmoid") return {{algorithm::eltwise_logistic}};
    if (name == "leaky_relu") return {{algorithm::eltwise_relu, 0.01F}};
    fail("hidden_act: '{}' is no known activation function", name);
}

dnnl::post_ops post_ops(const std::vector<Elementwise>& functions) {
    dnnl::post_ops ops;
    for (const auto& f : functions) ops.append_eltwise(1.0F, f.algorithm, f.alpha, f.beta);
    return ops;
}

// A buffer of this thread's, on a 64-byte boundary; two at most are in use at once.
void* scratchpad(std::size_t bytes, int which) {
    thread_local Buffer<std::byte> buffers[2];
    auto& buffer = buffers[which];
    grow(buffer, static_cast<std::int64_t>(bytes));
    return buffer.data();
}

Precision precision_of(Result result, Precision weights) {
    return result == Result::operand ? weights : result == Result::bf16 ? Precision::bf16 : Precision::fp32;
}

float* scratch_floats(std::int64_t count) {
    return static_cast<float*>(scratchpad(static_cast<std::size_t>(count) * sizeof(float), 1));
}

// Whether columns lie in both in the same way, so that some of one are the other.
bool has_same_blocks(const memory::desc& a, const memory::desc& b) {
    const auto &one = a.data.format_desc.blocking, &other = b.data.format_desc.blocking;
    const auto blocks = one.inner_nblks;
    return blocks == other.inner_nblks && std::equal(one.inner_blks, one.inner_blks + blocks, other.inner_blks) &&
           std::equal(one.inner_idxs, one.inner_idxs + blocks, other.inner_idxs) &&
           std::equal(one.strides, one.strides + 2, other.strides);
}

}  // namespace

struct Linear::Product {
    Product(LinearWeights given, const std::string& name, Result result)
        : weights(std::move(given)),
          on_tiles(runs_on_tiles()),
          on_panels(runs_on_panels()),
          is_integer(weights.precision == Precision::int8),
          activation_name(name),
          activation(parse_activation(name)),
          attr(attributes(is_integer ? dnnl::post_ops() : post_ops(activation))),
          is_gelu(activation.size() == 1 && activation.front().algorithm == dnnl::algorithm::eltwise_gelu_erf),
          to(type_of(precision_of(result, weights.precision))),
          packed(view(layout(weights.inner, weights.columns, weights.precision), weights.packed.data())),
          bias(view(plain(1, weights.columns, memory::data_type::f32), weights.bias.data())) {
        if (weights.packed.size() != packed.get_desc().get_size())
            fail("linear layer of {} by {}: {} bytes of packed weights where {} belong", weights.columns, weights.inner,
                 weights.packed.size(), packed.get_desc().get_size());
    }

    // Whether results are written as they are wanted, not in float32 first: see write() and write_rows().
    bool is_direct() const {
        if (!is_own()) return !is_integer;
        return (activation.empty() || is_gelu) && (weights.precision != Precision::fp32 || is_float());
    }
    // By this project's code, which also applies gelu.
    bool is_own() const { return on_tiles || on_panels; }
    bool is_float() const { return to == memory::data_type::f32; }

    // One block of rows of results, in the type `to`.
    void write(const Operand& x, std::int64_t rows, void* y) const {
        if (!is_own())
            multiply(primitives(rows), x, rows, y);
        else if (is_float())
            write_floats(x, rows, static_cast<float*>(y));
        else
            multiply_on_tiles(weights, x, rows, is_gelu, static_cast<bf16_bits*>(y));
    }

    // By this project's code.
    void write_floats(const Operand& x, std::int64_t rows, float* y) const {
        if (on_panels) return multiply_on_panels(weights, x, rows, is_gelu, scratchpad(panels_work_bytes(rows), 0), y);
        if (weights.precision != Precision::fp32) return multiply_on_tiles(weights, x, rows, is_gelu, y);
        const FloatPanels panels{weights.inner, weights.columns, reinterpret_cast<const float*>(weights.packed.data()),
                                 weights.bias.data()};
        multiply_split(panels, static_cast<const float*>(x.values), rows, is_gelu,
                       scratchpad(split_work_bytes(panels, rows), 0), y);
    }

    // One block of rows of results in float32: row(r, values) is called for each.
    template <class Row>
    void write_rows(const Operand& x, std::int64_t rows, float* y, Row row) const {
        const auto of = [&](std::int64_t r) { return y + r * weights.columns; };
        const auto& made_for = primitives(rows);
        if (is_own()) {
            write_floats(x, rows, y);
        } else {
            multiply(made_for, x, rows, y);
            const ColumnScales columns{weights.scale, weights.sum, weights.bias};
            for (std::int64_t r = 0; r < rows; ++r) {
                const Operand one{nullptr, x.scale + r, x.zero + r};
                is_gelu ? dequantize_gelu(one, 1, columns, of(r)) : dequantize(one, 1, columns, of(r));
                if (made_for.activation.empty()) row(r, of(r));  // while it is in the cache
            }
            if (made_for.activation.empty()) return;
        }
        activate(made_for, rows, y);
        for (std::int64_t r = 0; r < rows; ++r) row(r, of(r));
    }

    struct Primitives {
        dnnl::matmul product;  // where it is oneDNN's
        memory::desc scratchpad;
        std::vector<dnnl::eltwise_forward> activation;  // where it isn't the product's own
    };

    // For so many rows: made when they first come, kept and shared.
    const Primitives& primitives(std::int64_t rows) const {
        const std::lock_guard lock(mutex);
        if (const auto found = made.find(rows); found != made.end()) return found->second;
        Primitives primitives;
        if (!is_own()) {
            const auto desc = describe(rows, weights.inner, weights.columns, weights.precision,
                                       is_integer ? memory::data_type::s32 : to, packed.get_desc(), attr);
            primitives.product = dnnl::matmul(desc);
            primitives.scratchpad = desc.scratchpad_desc();
        }
        if (!is_direct() && !is_gelu)
            for (const auto& f : activation) {
                const dnnl::eltwise_forward::desc desc(dnnl::prop_kind::forward_inference, f.algorithm,
                                                       plain(rows, weights.columns, memory::data_type::f32), f.alpha,
                                                       f.beta);
                primitives.activation.emplace_back(dnnl::eltwise_forward::primitive_desc(desc, cpu()));
            }
        return made.emplace(rows, std::move(primitives)).first->second;
    }

    // Sums where they are integers, else results.
    void multiply(const Primitives& made_for, const Operand& x, std::int64_t rows, void* y) const {
        dnnl::stream stream(cpu());
        const auto from = view(plain(rows, weights.inner, source_type(weights.precision)), x.values);
        const auto out = view(plain(rows, weights.columns, is_integer ? memory::data_type::s32 : to), y);
        const auto pad = view(made_for.scratchpad, scratchpad(made_for.scratchpad.get_size(), 0));
        std::unordered_map<int, memory> arguments = {
            {DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DST, out}, {DNNL_ARG_SCRATCHPAD, pad}};
        if (!is_integer) arguments.emplace(DNNL_ARG_BIAS, bias);
        made_for.product.execute(stream, arguments);
        stream.wait();
    }

    // In place, in float32.
    void activate(const Primitives& made_for, std::int64_t rows, float* y) const {
        const auto values = view(plain(rows, weights.columns, memory::data_type::f32), y);
        for (const auto& f : made_for.activation) {
            dnnl::stream stream(cpu());
            f.execute(stream, {{DNNL_ARG_SRC, values}, {DNNL_ARG_DST, values}});
            stream.wait();
        }
    }

    std::int64_t block() const {
        if (on_tiles) return weights.precision == Precision::fp32 ? kFloatBlockOnTiles : kBlockOnTiles;
        if (on_panels) return kBlockOnPanels;
        if (is_integer) return kIntegerBlock;
        return weights.precision == Precision::fp32 ? kFloatBlock : kBlock;
    }

    LinearWeights weights;
    bool on_tiles, on_panels, is_integer;
    std::string activation_name;
    std::vector<Elementwise> activation;
    dnnl::primitive_attr attr;
    bool is_gelu;
    memory::data_type to;
    memory packed, bias;
    mutable std::mutex mutex;
    mutable std::map<std::int64_t, Primitives> made;
};

namespace {

Operand after(const Operand& x, std::int64_t rows, std::int64_t inner, Precision precision) {
    const auto* values = static_cast<const std::byte*>(x.values);
    Operand out = x;
    out.values = values + static_cast<std::size_t>(rows * inner) * operand_size(precision);
    if (precision == Precision::int8) {
        out.scale += rows;
        out.zero += rows;
    }
    return out;
}

}  // namespace

template <class Block>
void Linear::in_blocks(const Operand& x, std::int64_t rows, Block block) const try {
    const auto blocks = std::max<std::int64_t>(1, divide_up(rows, product_->block())), size = divide_up(rows, blocks);
    for (std::int64_t first = 0; first < rows; first += size)
        block(after(x, first, product_->weights.inner, product_->weights.precision), first,
              std::min(size, rows - first));
} catch (const dnnl::error& error) {
    fail("linear layer of {} rows: {}", rows, error.what());
}

Linear::Linear(LinearWeights weights, const std::string& activation, Result result) try
    : product_(std::make_shared<Product>(std::move(weights), activation, result)) {
} catch (const dnnl::error& error) {
    fail("linear layer: {}", error.what());
}

void Linear::run(const Operand& x, std::int64_t rows, float* y) const {
    const auto columns = product_->weights.columns;
    in_blocks(x, rows, [&](const Operand& block, std::int64_t first, std::int64_t count) {
        float* to = y + first * columns;
        if (product_->is_direct()) return product_->write(block, count, to);
        product_->write_rows(block, count, to, [](std::int64_t, const float*) {});
    });
}

void Linear::run(const Operand& x, std::int64_t rows, bf16_bits* y) const {
    const auto columns = product_->weights.columns;
    in_blocks(x, rows, [&](const Operand& block, std::int64_t first, std::int64_t count) {
        bf16_bits* to = y + first * columns;
        if (product_->is_direct()) return product_->write(block, count, to);
        product_->write_rows(block, count, scratch_floats(count * columns), [&](std::int64_t r, const float* values) {
            round_to_bf16(values, columns, to + r * columns);
        });
    });
}

void Linear::run(const Operand& x, std::int64_t rows, OperandRows& y) const {
    const auto columns = product_->weights.columns;
    in_blocks(x, rows, [&](const Operand& block, std::int64_t first, std::int64_t count) {
        if (product_->is_direct() && !product_->is_integer) return product_->write(block, count, y.data(first));
        product_->write_rows(block, count, scratch_floats(count * columns),
                             [&](std::int64_t r, const float* values) { y.set(first + r, values); });
    });
}

const LinearWeights& Linear::weights() const { return product_->weights; }

Linear Linear::with(Result result) const { return Linear(product_->weights, product_->activation_name, result); }

std::vector<Linear> Linear::cut(std::int64_t parts, Result result) const try {
    constexpr std::int64_t kTogether = 64;  // columns that lie together in the packed layout
    const auto& w = product_->weights;
    const auto blocks = w.columns / kTogether;
    if (w.columns % kTogether != 0 || blocks < parts) return {};
    const auto whole = layout(w.inner, w.columns, w.precision);
    std::vector<Linear> cuts;
    for (std::int64_t i = 0; i < parts; ++i) {
        const auto first = blocks * i / parts * kTogether, columns = blocks * (i + 1) / parts * kTogether - first;
        if (!has_same_blocks(layout(w.inner, columns, w.precision), whole)) return {};
        const auto of = [&](auto values) {
            const auto a_column = values.size() / static_cast<std::size_t>(w.columns);
            return values.subspan(static_cast<std::size_t>(first) * a_column,
                                  static_cast<std::size_t>(columns) * a_column);
        };
        const LinearWeights part{w.inner,    columns,     w.precision, of(w.packed),
                                 of(w.bias), of(w.scale), of(w.sum),   w.owner};
        cuts.emplace_back(part, product_->activation_name, result);
    }
    return cuts;
} catch (const dnnl::error& error) {
    fail("linear layer: {}", error.what());
}

double Linear::ceiling() const {
    using Clock = std::chrono::steady_clock;
    const Product alone(weights(), "linear", Result::fp32);
    const auto& w = alone.weights;
    const auto rows = std::max(alone.block(), kBlock);
    const Buffer<std::byte> zeros(static_cast<std::size_t>(rows * w.inner) * 4);
    const std::vector<float> scale(at(rows));
    const std::vector<std::int32_t> zero(at(rows));
    const Operand x{zeros.data(), scale.data(), zero.data()};
    Buffer<float> out(static_cast<std::size_t>(rows * w.columns));
    const OneThread one;
    double best = 0.0;
    for (int repetition = 0; repetition < 5; ++repetition) {
        const auto start = Clock::now();
        std::int64_t runs = 0;
        std::chrono::duration<double> passed{0.0};
        for (; passed.count() < 0.02; ++runs, passed = Clock::now() - start) alone.write(x, rows, out.data());
        best = std::max(best, 2e-9 * static_cast<double>(runs * rows * w.inner * w.columns) / passed.count());
    }
    return best;
}

}  // namespace moebert::engine
