#include "engine/panels.h"

#include <algorithm>
#include <cstring>

#include "engine/onednn.h"
#include "engine/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/panels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace moebert::engine {
namespace HWY_NAMESPACE {
namespace {

using Integers = hn::Vec<decltype(kI)>;

constexpr std::int64_t kPanel = 16;         // columns whose weights lie together
constexpr std::int64_t kBytesAStep = 4;     // of a row: a float, or four bytes
constexpr std::int64_t kPaddedSteps = 16;   // a panel has a multiple of them
constexpr std::int64_t kStepsAtOnce = 384;  // the first cache has the weights of a panel for so many
constexpr int kVectors = kPanel / static_cast<int>(hn::MaxLanes(kF));
// Rows at a time: as many as registers can have sums of.
constexpr int kRows = HWY_TARGET == HWY_SCALAR ? 1 : kVectors == 4 && HWY_ARCH_X86 ? 3 : 6;

HWY_INLINE Vec add_products(Vec sum, Vec row, const float* weights) {
    return hn::MulAdd(row, hn::LoadU(kF, weights), sum);
}

#if HWY_TARGET == HWY_AVX2
// In assembly, since compilers run out of registers where they read the weights once for all rows.
HWY_INLINE Integers add_products(Integers sum, Integers row, const std::int32_t* weights) {
    __m256i result = sum.raw, products;
    asm("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
        : "+x"(result), "=&x"(products)
        : "x"(row.raw), "m"(*reinterpret_cast<const __m256i*>(weights)), "x"(_mm256_set1_epi16(1)));
    return Integers{result};
}
#else
HWY_INLINE Integers add_products(Integers sum, Integers, const std::int32_t*) { return sum; }  // see has_byte_panels()
#endif

// Into the first cache, and into the second.
HWY_INLINE void fetch_to_change(const void* line) { __builtin_prefetch(line, 1, 3); }
HWY_INLINE void fetch_early(const void* line) { __builtin_prefetch(line, 0, 2); }

// sums (R, kPanel), `stride` values a row, become those of R rows and a panel's columns over some steps, added to what
// they were unless these are the first. A step of `rows` has a value of each row.
template <int R, class D>
HWY_INLINE void add_steps(D d, const hn::TFromD<D>* rows, const hn::TFromD<D>* weights, std::int64_t steps,
                          bool is_first, hn::TFromD<D>* sums, std::int64_t stride) {
    hn::Vec<D> sum[R][kVectors];
    for (int r = 0; r < R; ++r) {
        fetch_to_change(sums + r * stride);  // they are wanted in the end
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
    }
    const auto add_step = [&](int step) HWY_ATTR {
        for (int r = 0; r < R; ++r) {
            const auto value = hn::Set(d, rows[step * R + r]);
            for (int v = 0; v < kVectors; ++v)
                sum[r][v] = add_products(sum[r][v], value, weights + step * kPanel + v * lanes());
        }
    };
    // Four at a time: what a loop costs beside them is a tenth of the whole.
    for (; steps >= 4; steps -= 4, rows += 4 * R, weights += 4 * kPanel) {
        add_step(0);
        add_step(1);
        add_step(2);
        add_step(3);
    }
    for (; steps > 0; --steps, rows += R, weights += kPanel) add_step(0);
    if (!is_first)
        for (int r = 0; r < R; ++r)
            for (int v = 0; v < kVectors; ++v)
                sum[r][v] = hn::Add(sum[r][v], hn::LoadU(d, sums + r * stride + v * lanes()));
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, sums + r * stride + v * lanes());
}

template <bool kBytes, bool kGelu>
class Product {
public:
    Product(const LinearWeights& weights, const Operand& x, std::int64_t rows, void* work, float* y)
        : w_(weights),
          x_(x),
          rows_(rows),
          row_bytes_(weights.inner * (kBytes ? 1 : 4)),
          steps_(divide_up(row_bytes_, kBytesAStep)),
          panel_values_(divide_up(steps_, kPaddedSteps) * kPaddedSteps * kPanel),
          packed_(static_cast<Value*>(work)),
          y_(y) {}

    // Some steps at a time, so that a panel's weights stay in the first cache and the rows' values in the second.
    void run() const {
        const auto chunks = std::max<std::int64_t>(1, divide_up(steps_, kStepsAtOnce));
        const auto size = divide_up(steps_, chunks);
        for (std::int64_t step = 0; step < steps_; step += size) {
            const auto end = std::min(steps_, step + size);
            for (std::int64_t r = 0; r < rows_; r += kRows) pack<kRows>(r, step, end);
            for (std::int64_t column = 0; column < w_.columns; column += kPanel)
                for (std::int64_t r = 0; r < rows_; r += kRows) {
                    fetch_part(r, column + kPanel, step, end);
                    multiply<kRows>(r, column, step, end);
                }
        }
    }

private:
    using Tag = std::conditional_t<kBytes, std::remove_const_t<decltype(kI)>, Floats>;
    using Value = hn::TFromD<Tag>;

    // Rows one after the other become steps one after the other, each with a value of every row.
    template <int R>
    void pack(std::int64_t first, std::int64_t step, std::int64_t end) const {
        if constexpr (R > 1)
            if (rows_ - first < R) return pack<R - 1>(first, step, end);
        const auto* from = static_cast<const std::byte*>(x_.values) + first * row_bytes_;
        Value* to = packed_ + first * (end - step);
        const auto whole_end = std::min(end, row_bytes_ / kBytesAStep);
        for (; step < whole_end; ++step, to += R)
            for (int r = 0; r < R; ++r) std::memcpy(to + r, from + r * row_bytes_ + step * kBytesAStep, kBytesAStep);
        if (step == end) return;
        for (int r = 0; r < R; ++r) {
            to[r] = 0;
            std::memcpy(to + r, from + r * row_bytes_ + step * kBytesAStep,
                        static_cast<std::size_t>(row_bytes_ % kBytesAStep));
        }
    }

    const Value* panel(std::int64_t column) const {
        return reinterpret_cast<const Value*>(w_.packed.data()) + column / kPanel * panel_values_;
    }

    // The part of a panel's weights that falls to this group of rows, if each fetches as much.
    HWY_INLINE void fetch_part(std::int64_t row, std::int64_t column, std::int64_t step, std::int64_t end) const {
        if (column >= w_.columns) return;
        const auto part = divide_up(end - step, divide_up(rows_, kRows));
        const auto first = step + row / kRows * part, last = std::min(end, first + part);
        for (auto i = first; i < last; ++i) fetch_early(panel(column) + i * kPanel);  // a line each
    }

    template <int R>
    void multiply(std::int64_t first, std::int64_t column, std::int64_t step, std::int64_t end) const {
        if constexpr (R > 1)
            if (rows_ - first < R) return multiply<R - 1>(first, column, step, end);
        const auto columns = std::min(kPanel, w_.columns - column);
        const auto* weights = panel(column) + step * kPanel;
        auto* y = reinterpret_cast<Value*>(y_ + first * w_.columns + column);  // has sums until they become results
        const auto* rows = packed_ + first * (end - step);
        if (columns == kPanel) {
            add_steps<R>(Tag(), rows, weights, end - step, step == 0, y, w_.columns);
            if (end == steps_) finish<R>(y, w_.columns, first, column);
            return;
        }
        Value sums[R * kPanel];
        for (int r = 0; step > 0 && r < R; ++r) std::copy_n(y + r * w_.columns, columns, sums + r * kPanel);
        add_steps<R>(Tag(), rows, weights, end - step, step == 0, sums, kPanel);
        if (end == steps_) return finish<R>(sums, kPanel, first, column);
        for (int r = 0; r < R; ++r) std::copy_n(sums + r * kPanel, columns, y + r * w_.columns);
    }

    // Sums become results.
    template <int R>
    HWY_INLINE void finish(const Value* sums, std::int64_t stride, std::int64_t first, std::int64_t column) const {
        float* y = y_ + first * w_.columns + column;
        for (int v = 0; v < kVectors && column < w_.columns; ++v, column += lanes(), sums += lanes(), y += lanes()) {
            const auto count = static_cast<std::size_t>(std::min(w_.columns - column, lanes()));
            const auto bias = load(w_.bias.data() + column, count);
            auto scale = bias, sum = bias;
            if constexpr (kBytes) {
                HWY_ALIGN std::int32_t sums_of_columns[hn::MaxLanes(kI)] = {};
                std::copy_n(w_.sum.data() + column, count, sums_of_columns);
                scale = load(w_.scale.data() + column, count);
                sum = hn::ConvertTo(kF, hn::Load(kI, sums_of_columns));
            }
            for (int r = 0; r < R; ++r) {
                auto value = bias;
                if constexpr (kBytes) {
                    const auto row_scale = hn::Set(kF, x_.scale[first + r]),
                               row_zero = hn::Set(kF, static_cast<float>(x_.zero[first + r]));
                    value = dequantized(hn::LoadU(kI, sums + r * stride), row_scale, row_zero, scale, sum, bias);
                    if constexpr (kGelu) value = coarse_gelu(value);
                } else {
                    value = hn::Add(hn::LoadU(kF, sums + r * stride), bias);
                    if constexpr (kGelu) value = gelu(value);
                }
                store(value, y + r * w_.columns, count);
            }
        }
    }

    const LinearWeights& w_;
    const Operand& x_;
    std::int64_t rows_, row_bytes_, steps_, panel_values_;
    Value* packed_;
    float* y_;
};

template <bool kBytes>
void multiply(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, void* work, float* y) {
    if (has_gelu)
        Product<kBytes, true>(weights, x, rows, work, y).run();
    else
        Product<kBytes, false>(weights, x, rows, work, y).run();
}

void Multiply(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, void* work, float* y) {
    if (weights.precision == Precision::int8)
        multiply<true>(weights, x, rows, has_gelu, work, y);
    else
        multiply<false>(weights, x, rows, has_gelu, work, y);
}

bool HasBytes() { return HWY_TARGET == HWY_AVX2; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace moebert::engine
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace moebert::engine {

HWY_EXPORT(HasBytes);
HWY_EXPORT(Multiply);

bool runs_on_panels() { return !onednn::has_avx512(); }

bool has_byte_panels() { return runs_on_panels() && HWY_DYNAMIC_DISPATCH(HasBytes)(); }

void multiply_on_panels(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, void* work,
                        float* y) {
    HWY_DYNAMIC_DISPATCH(Multiply)(weights, x, rows, has_gelu, work, y);
}

std::size_t panels_work_bytes(std::int64_t rows) {
    using namespace HWY_NAMESPACE;
    return static_cast<std::size_t>(rows * kStepsAtOnce * kBytesAStep);
}

}  // namespace moebert::engine
#endif
