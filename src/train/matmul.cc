#include "train/matmul.h"

#include <dnnl.hpp>
#include <map>
#include <tuple>

#include "core/error.h"

namespace moebert {
namespace {

using dnnl::memory;

// What a primitive is made for.
using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, bool, bool, bool, Precision, Precision>;

const dnnl::engine& cpu() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

memory::data_type type_of(Precision p) {
    return p == Precision::f32 ? memory::data_type::f32 : memory::data_type::bf16;
}

memory::desc describe(std::int64_t rows, std::int64_t columns, Precision precision, bool transposed) {
    return {{rows, columns}, type_of(precision), transposed ? memory::format_tag::ba : memory::format_tag::ab};
}

dnnl::matmul make(const Key& key) {
    const auto& [rows, columns, inner, a_transposed, b_transposed, with_bias, in, out] = key;
    const auto a = describe(rows, inner, in, a_transposed), b = describe(inner, columns, in, b_transposed);
    const auto c = describe(rows, columns, out, false);
    const auto desc = with_bias ? dnnl::matmul::desc(a, b, describe(1, columns, Precision::f32, false), c)
                                : dnnl::matmul::desc(a, b, c);
    return dnnl::matmul(dnnl::matmul::primitive_desc(desc, cpu()));
}

// Making a primitive takes 0.1 ms, and ragged batches have many sizes: they are kept, up to a limit. Each thread that
// calls has its own, since one that is in use has intermediate results in memory of its own.
dnnl::matmul primitive_for(const Key& key) {
    constexpr std::size_t kMost = 4096;
    thread_local std::map<Key, dnnl::matmul> made;
    if (const auto found = made.find(key); found != made.end()) return found->second;
    if (made.size() >= kMost) made.clear();
    return made.emplace(key, make(key)).first->second;
}

memory view(const memory::desc& desc, const void* data) { return {desc, cpu(), const_cast<void*>(data)}; }

}  // namespace

void matmul(const Matrix& a, const Matrix& b, const float* bias, ProductShape shape, void* c, Precision c_precision) {
    const auto [rows, columns, inner] = shape;
    try {
        const auto primitive = primitive_for(
            {rows, columns, inner, a.transposed, b.transposed, bias != nullptr, a.precision, c_precision});
        std::unordered_map<int, memory> arguments{
            {DNNL_ARG_SRC, view(describe(rows, inner, a.precision, a.transposed), a.data)},
            {DNNL_ARG_WEIGHTS, view(describe(inner, columns, b.precision, b.transposed), b.data)},
            {DNNL_ARG_DST, view(describe(rows, columns, c_precision, false), c)}};
        if (bias) arguments.emplace(DNNL_ARG_BIAS, view(describe(1, columns, Precision::f32, false), bias));
        dnnl::stream stream(cpu());
        primitive.execute(stream, arguments);
        stream.wait();
    } catch (const dnnl::error& error) {
        fail("matrix product of {} x {} x {}: {}", rows, columns, inner, error.what());
    }
}

bool has_bf16_matmul() {
    static const bool has = [] {
        try {
            make({16, 16, 16, false, true, true, Precision::bf16, Precision::f32});
            return true;
        } catch (const dnnl::error&) {
            return false;
        }
    }();
    return has;
}

}  // namespace moebert
