#include "train/matmul.h"

#include <dnnl.hpp>
#include <map>
#include <memory>
#include <unordered_map>

#include "core/error.h"

namespace moebert {
namespace {

using dnnl::memory;

// How an operand lies in memory.
enum class Order { rows, columns, packed };

// What a primitive is made for.
struct Key {
    ProductShape shape;
    Order a, b;
    bool with_bias;
    Precision in, out;

    auto operator<=>(const Key&) const = default;
};

const dnnl::engine& cpu() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

memory::data_type type_of(Precision p) {
    return p == Precision::f32 ? memory::data_type::f32 : memory::data_type::bf16;
}

memory::desc plain(std::int64_t rows, std::int64_t columns, Precision precision) {
    return {{rows, columns}, type_of(precision), memory::format_tag::ab};
}

// oneDNN chooses the layout for a full batch; other numbers of rows then keep to it.
memory::desc packed_layout(std::int64_t inner, std::int64_t columns, Precision precision) {
    constexpr std::int64_t kRows = 512;
    const memory::desc any({inner, columns}, type_of(precision), memory::format_tag::any);
    const dnnl::matmul::desc desc(plain(kRows, inner, precision), any, plain(1, columns, Precision::f32),
                                  plain(kRows, columns, Precision::f32));
    return dnnl::matmul::primitive_desc(desc, cpu()).weights_desc();
}

memory::desc describe(std::int64_t rows, std::int64_t columns, Precision precision, Order order) {
    if (order == Order::packed) return packed_layout(rows, columns, precision);
    return {
        {rows, columns}, type_of(precision), order == Order::rows ? memory::format_tag::ab : memory::format_tag::ba};
}

memory view(const memory::desc& desc, const void* data) { return {desc, cpu(), const_cast<void*>(data)}; }

// A primitive, and what it is to be called with.
struct Product {
    dnnl::matmul primitive;
    std::unordered_map<int, memory> arguments;
};

Product make(const Key& key) {
    const auto [rows, columns, inner] = key.shape;
    const auto a = describe(rows, inner, key.in, key.a), b = describe(inner, columns, key.in, key.b);
    const auto bias = plain(1, columns, Precision::f32), c = plain(rows, columns, key.out);
    const auto desc = key.with_bias ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c);
    Product product{
        dnnl::matmul(dnnl::matmul::primitive_desc(desc, cpu())),
        {{DNNL_ARG_SRC, view(a, nullptr)}, {DNNL_ARG_WEIGHTS, view(b, nullptr)}, {DNNL_ARG_DST, view(c, nullptr)}}};
    if (key.with_bias) product.arguments.emplace(DNNL_ARG_BIAS, view(bias, nullptr));
    return product;
}

// Making a primitive takes 0.1 ms, and ragged batches have many sizes: they are kept, up to a limit. Each thread that
// calls has its own, since one that is in use has intermediate results in memory of its own.
Product& product_for(const Key& key) {
    constexpr std::size_t kMost = 4096;
    thread_local std::map<Key, Product> made;
    if (const auto found = made.find(key); found != made.end()) return found->second;
    if (made.size() >= kMost) made.clear();
    return made.emplace(key, make(key)).first->second;
}

void set(Product& product, int argument, const void* data) {
    product.arguments.at(argument).set_data_handle(const_cast<void*>(data));
}

// Its weights must be set.
void run(Product& product, const void* a, const float* bias, void* c) {
    thread_local dnnl::stream stream(cpu());
    set(product, DNNL_ARG_SRC, a);
    set(product, DNNL_ARG_DST, c);
    if (bias) set(product, DNNL_ARG_BIAS, bias);
    product.primitive.execute(stream, product.arguments);
    stream.wait();
}

Order order_of(const Matrix& matrix) { return matrix.transposed ? Order::columns : Order::rows; }

[[noreturn]] void fail_product(const ProductShape& shape, const dnnl::error& error) {
    fail("matrix product of {} x {} x {}: {}", shape.rows, shape.columns, shape.inner, error.what());
}

}  // namespace

void matmul(const Matrix& a, const Matrix& b, const float* bias, ProductShape shape, void* c, Precision c_precision) {
    const Key key{shape, order_of(a), order_of(b), bias != nullptr, a.precision, c_precision};
    try {
        auto& product = product_for(key);
        set(product, DNNL_ARG_WEIGHTS, b.data);
        run(product, a.data, bias, c);
    } catch (const dnnl::error& error) {
        fail_product(shape, error);
    }
}

PackedMatrix::PackedMatrix(const Matrix& b, std::int64_t inner, std::int64_t columns)
    : inner_(inner), columns_(columns), precision_(b.precision) {
    try {
        const auto packed = std::make_shared<memory>(packed_layout(inner, columns, b.precision), cpu());
        auto from = view(describe(inner, columns, b.precision, order_of(b)), b.data);
        dnnl::stream stream(cpu());
        dnnl::reorder(from, *packed).execute(stream, from, *packed);
        stream.wait();
        values_ = packed;
    } catch (const dnnl::error& error) {
        fail("packing a matrix of {} x {}: {}", inner, columns, error.what());
    }
}

void matmul(const void* a, const PackedMatrix& b, const float* bias, std::int64_t rows, void* c,
            Precision c_precision) {
    const Key key{{rows, b.columns_, b.inner_}, Order::rows, Order::packed, bias != nullptr, b.precision_, c_precision};
    try {
        auto& product = product_for(key);
        product.arguments.at(DNNL_ARG_WEIGHTS) = *static_cast<const memory*>(b.values_.get());
        run(product, a, bias, c);
    } catch (const dnnl::error& error) {
        fail_product(key.shape, error);
    }
}

bool has_bf16_matmul() {
    static const bool has = [] {
        try {
            make({{16, 16, 16}, Order::rows, Order::columns, true, Precision::bf16, Precision::f32});
            return true;
        } catch (const dnnl::error&) {
            return false;
        }
    }();
    return has;
}

}  // namespace moebert
