#include "engine/linear.h"

#include <omp.h>

#include <dnnl.hpp>
#include <map>
#include <mutex>
#include <vector>

#include "core/error.h"

namespace moebert::engine {
namespace {

using dnnl::memory;

// Rows are computed so many at a time: they and their results stay in the cache, and few primitives are made.
constexpr std::int64_t kBlock = 128;

const dnnl::engine& cpu() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

memory::data_type type_of(Precision p) {
    return p == Precision::fp32 ? memory::data_type::f32 : memory::data_type::bf16;
}

std::size_t size_of(Precision p) { return p == Precision::fp32 ? 4 : 2; }

memory::desc plain(std::int64_t rows, std::int64_t columns, memory::data_type type) {
    return {{rows, columns}, type, memory::format_tag::ab};
}

memory view(const memory::desc& desc, const void* data) { return {desc, cpu(), const_cast<void*>(data)}; }

void append(dnnl::post_ops& ops, const std::string& name) {
    using dnnl::algorithm;
    const auto add = [&](algorithm a, float alpha = 0.0F, float beta = 0.0F) {
        ops.append_eltwise(1.0F, a, alpha, beta);
    };
    if (name == "gelu" || name == "gelu_python") return add(algorithm::eltwise_gelu_erf);
    if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast")
        return add(algorithm::eltwise_gelu_tanh);
    if (name == "gelu_10") {
        add(algorithm::eltwise_gelu_erf);
        return add(algorithm::eltwise_clip, -10.0F, 10.0F);
    }
    if (name == "quick_gelu") return add(algorithm::eltwise_swish, 1.702F);
    if (name == "relu") return add(algorithm::eltwise_relu);
    if (name == "relu6") return add(algorithm::eltwise_clip, 0.0F, 6.0F);
    if (name == "silu" || name == "swish") return add(algorithm::eltwise_swish, 1.0F);
    if (name == "mish") return add(algorithm::eltwise_mish);
    if (name == "tanh") return add(algorithm::eltwise_tanh);
    if (name == "sigmoid") return add(algorithm::eltwise_logistic);
    if (name == "leaky_relu") return add(algorithm::eltwise_relu, 0.01F);
    if (name != "linear") fail("hidden_act: '{}' is no known activation function", name);
}

dnnl::primitive_attr attributes(const std::string& activation) {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);  // one a thread, so that primitives can be shared
    dnnl::post_ops ops;
    append(ops, activation);
    attr.set_post_ops(ops);
    return attr;
}

void* scratchpad(std::size_t bytes) {
    thread_local std::vector<std::byte> buffer;
    if (buffer.size() < bytes + 64) buffer.resize(bytes + 64);
    void* start = buffer.data();
    std::size_t space = buffer.size();
    return std::align(64, bytes, start, space);
}

}  // namespace

struct Linear::Packed {
    Packed(std::int64_t k, std::int64_t n, Precision from, Precision to, const std::string& activation)
        : inner(k), columns(n), in(from), out(to), attr(attributes(activation)) {}

    std::int64_t inner, columns;
    Precision in, out;
    dnnl::primitive_attr attr;
    memory weight, bias;

    dnnl::matmul::primitive_desc describe(std::int64_t rows, const memory::desc& packed) const {
        return {dnnl::matmul::desc(plain(rows, inner, type_of(in)), packed, plain(1, columns, memory::data_type::f32),
                                   plain(rows, columns, type_of(out))),
                attr, cpu()};
    }

    // A primitive for so many rows: made when they first come, kept and shared.
    const dnnl::matmul& primitive(std::int64_t rows) const {
        const std::lock_guard lock(mutex);
        auto& slot = made[rows];
        if (!slot) slot = dnnl::matmul(describe(rows, weight.get_desc()));
        return slot;
    }

    void run(const std::byte* x, std::int64_t rows, std::byte* y) const {
        const auto& matmul = primitive(rows);
        const auto wanted = matmul.get_primitive_desc();
        const dnnl::matmul::primitive_desc desc(const_cast<dnnl_primitive_desc_t>(wanted));
        const auto pad = desc.scratchpad_desc();
        dnnl::stream stream(cpu());
        matmul.execute(stream, {{DNNL_ARG_SRC, view(plain(rows, inner, type_of(in)), x)},
                                {DNNL_ARG_WEIGHTS, weight},
                                {DNNL_ARG_BIAS, bias},
                                {DNNL_ARG_DST, view(plain(rows, columns, type_of(out)), y)},
                                {DNNL_ARG_SCRATCHPAD, view(pad, scratchpad(pad.get_size()))}});
        stream.wait();
    }

    mutable std::mutex mutex;
    mutable std::map<std::int64_t, dnnl::matmul> made;
};

std::string to_string(Precision precision) { return precision == Precision::fp32 ? "fp32" : "bf16"; }

bool is_supported(Precision precision) {
    if (precision == Precision::fp32) return true;
    static const bool has = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_bf16 &&
                            dnnl::get_effective_cpu_isa() != dnnl::cpu_isa::avx2_vnni;
    return has;
}

void use_one_thread() { omp_set_num_threads(1); }

Linear::Linear(std::span<const float> weight, std::span<const float> bias, Precision in, Precision out,
               const std::string& activation) try {
    const auto columns = std::ssize(bias), inner = std::ssize(weight) / std::max<std::int64_t>(1, columns);
    if (columns * inner != std::ssize(weight)) fail("a weight of {} values for {} columns", weight.size(), columns);
    auto packed = std::make_shared<Packed>(inner, columns, in, out, activation);
    // oneDNN chooses the layout; other numbers of rows then keep to it.
    const auto any = memory::desc({inner, columns}, type_of(in), memory::format_tag::any);
    const auto layout = packed->describe(kBlock, any).weights_desc();
    packed->weight = memory(layout, cpu());
    packed->bias = memory(plain(1, columns, memory::data_type::f32), cpu());
    std::copy(bias.begin(), bias.end(), static_cast<float*>(packed->bias.get_data_handle()));
    const memory::desc given({inner, columns}, memory::data_type::f32, memory::format_tag::ba);
    auto from = view(given, weight.data());
    dnnl::stream stream(cpu());
    dnnl::reorder(from, packed->weight).execute(stream, from, packed->weight);
    stream.wait();
    packed_ = std::move(packed);
} catch (const dnnl::error& error) {
    fail("linear layer: {}", error.what());
}

void Linear::run(const void* x, std::int64_t rows, void* y) const try {
    const auto* from = static_cast<const std::byte*>(x);
    auto* to = static_cast<std::byte*>(y);
    for (std::int64_t first = 0; first < rows; first += kBlock) {
        const auto count = std::min(kBlock, rows - first);
        packed_->run(from + static_cast<std::size_t>(first * packed_->inner) * size_of(packed_->in), count,
                     to + static_cast<std::size_t>(first * packed_->columns) * size_of(packed_->out));
    }
} catch (const dnnl::error& error) {
    fail("linear layer of {} rows: {}", rows, error.what());
}

std::int64_t Linear::inner() const { return packed_->inner; }
std::int64_t Linear::columns() const { return packed_->columns; }

}  // namespace moebert::engine
