#include "engine/products.h"

#include <omp.h>

#include "core/error.h"
#include "engine/onednn.h"
#include "engine/panels.h"
#include "engine/tiles.h"

namespace moebert::engine {

using Isa = dnnl::cpu_isa;

namespace onednn {

const dnnl::engine& cpu() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

memory::data_type type_of(Precision p) {
    return p == Precision::fp32 ? memory::data_type::f32 : memory::data_type::bf16;
}
memory::data_type source_type(Precision p) { return p == Precision::int8 ? memory::data_type::u8 : type_of(p); }
memory::data_type weight_type(Precision p) { return p == Precision::int8 ? memory::data_type::s8 : type_of(p); }

memory::desc plain(std::int64_t rows, std::int64_t columns, memory::data_type type) {
    return {{rows, columns}, type, memory::format_tag::ab};
}

memory view(const memory::desc& desc, const void* data) { return {desc, cpu(), const_cast<void*>(data)}; }

dnnl::primitive_attr attributes(const dnnl::post_ops& after) {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    attr.set_post_ops(after);
    return attr;
}

dnnl::matmul::primitive_desc describe(std::int64_t rows, std::int64_t inner, std::int64_t columns, Precision precision,
                                      memory::data_type to, const memory::desc& weight,
                                      const dnnl::primitive_attr& attr) {
    const auto from = plain(rows, inner, source_type(precision)), out = plain(rows, columns, to);
    if (precision == Precision::int8) return {dnnl::matmul::desc(from, weight, out), attr, cpu()};
    return {dnnl::matmul::desc(from, weight, plain(1, columns, memory::data_type::f32), out), attr, cpu()};
}

memory::desc layout(std::int64_t inner, std::int64_t columns, Precision precision) {
    using Tag = memory::format_tag;
    if (runs_on_tiles()) {
        const auto tag = precision == Precision::fp32   ? Tag::BA16a32b2a
                         : precision == Precision::bf16 ? Tag::BA16a64b2a
                                                        : Tag::BA16a64b4a;
        return {{inner, columns}, weight_type(precision), tag};
    }
    if (runs_on_panels()) {
        const auto tag = precision == Precision::int8 ? Tag::BA16a16b4a : Tag::BA16a16b;
        return {{inner, columns}, weight_type(precision), tag};
    }
    const auto sums = precision == Precision::int8 ? memory::data_type::s32 : memory::data_type::f32;
    const memory::desc any({inner, columns}, weight_type(precision), memory::format_tag::any);
    return describe(kBlock, inner, columns, precision, sums, any, attributes()).weights_desc();
}

bool has_avx512() {
    const auto isa = dnnl::get_effective_cpu_isa();
    return isa == Isa::avx512_core || isa == Isa::avx512_core_vnni || isa == Isa::avx512_core_bf16 ||
           isa == Isa::avx512_core_amx;
}

bool is_amx() { return dnnl::get_effective_cpu_isa() == Isa::avx512_core_amx; }

}  // namespace onednn

namespace {

const char* name_of(Isa isa) {
    switch (isa) {
        case Isa::sse41:
            return "SSE4.1";
        case Isa::avx:
            return "AVX";
        case Isa::avx2:
            return "AVX2";
        case Isa::avx2_vnni:
            return "AVX2_VNNI";
        case Isa::avx512_core:
            return "AVX512_CORE";
        case Isa::avx512_core_vnni:
            return "AVX512_CORE_VNNI";
        case Isa::avx512_core_bf16:
            return "AVX512_CORE_BF16";
        case Isa::avx512_core_amx:
            return "AVX512_CORE_AMX";
        default:
            return "other";
    }
}

}  // namespace

OneThread::OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThread::~OneThread() { omp_set_num_threads(before_); }

void limit_products(const std::string& name) {
    const auto isa = name == "avx512_bf16" ? Isa::avx512_core_bf16
                     : name == "avx512"    ? Isa::avx512_core
                     : name == "avx2"      ? Isa::avx2
                                           : Isa::sse41;
    if (dnnl::set_max_cpu_isa(isa) != dnnl::status::success)
        fail("instruction set {}: too late, or oneDNN was built without the choice", name);
}

std::string product_target() {
    const auto* version = dnnl::version();
    return fmt::format("oneDNN {}.{}.{} {}{}", version->major, version->minor, version->patch,
                       name_of(dnnl::get_effective_cpu_isa()),
                       runs_on_tiles()    ? ", tiles"
                       : runs_on_panels() ? ", panels"
                                          : "");
}

bool is_supported(Precision precision) {
    const auto isa = dnnl::get_effective_cpu_isa();
    switch (precision) {
        case Precision::bf16:
            return isa == Isa::avx512_core_bf16 || isa == Isa::avx512_core_amx;
        // Without these instructions AVX-512 adds pairs of byte products in 16 bits, which overflow.
        case Precision::int8:
            return has_byte_panels() || isa == Isa::avx512_core_vnni || isa == Isa::avx512_core_bf16 ||
                   isa == Isa::avx512_core_amx;
        default:
            return true;
    }
}

}  // namespace moebert::engine
