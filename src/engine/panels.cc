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
constexpr std::int64_t kUnrolled = 4;       // steps: what a loop costs beside them is a tenth of the whole
constexpr std::int64_t kStepsAtOnce = 384;  // the first cache has the weights of a panel for so many
constexpr int kVectors = kPanel / static_cast<int>(hn::MaxLanes(kF));
// Rows at a time: as many as registers can have sums of.
constexpr int kRows = HWY_TARGET == HWY_SCALAR ? 1 : kVectors == 4 && HWY_ARCH_X86 ? 3 : 6;

#if HWY_TARGET == HWY_AVX2
// In assembly, since a compiler that chooses among the forms of an instruction moves sums about, and runs out of
// registers for them: sums in memory wait for each other.
HWY_INLINE Vec add_products(Vec sum, Vec row, const float* weights) {
    auto result = sum.raw;
    asm("vfmadd231ps %2, %1, %0" : "+x"(result) : "x"(row.raw), "x"(hn::LoadU(kF, weights).raw));
    return Vec{result};
}
HWY_INLINE Integers add_products(Integers sum, Integers row, const std::int32_t* weights) {
    __m256i result = sum.raw, products;
    asm("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
        : "+x"(result), "=&x"(products)
        : "x"(row.raw), "m"(*reinterpret_cast<const __m256i*>(weights)), "x"(_mm256_set1_epi16(1)));
    return Integers{result};
}
#else
HWY_INLINE Vec add_products(Vec sum, Vec row, const float* weights) {
    return hn::MulAdd(row, hn::LoadU(kF, weights), sum);
}
HWY_INLINE Integers add_products(Integers sum, Integers, const std::int32_t*) { return sum; }  // see has_byte_panels()
#endif

// Into the first cache, and into the second.
HWY_INLINE void fetch_to_change(const void* line) { __builtin_prefetch(line, 1, 3); }
HWY_INLINE void fetch_early(const void* line) { __builtin_prefetch(line, 0, 2); }

// The last N sums of some rows and a panel's columns, row by row. Not an array, which compilers leave in memory.
template <class D, int N>
struct Sums {
    hn::Vec<D> first;
    Sums<D, N - 1> others;
};
template <class D>
struct Sums<D, 0> {};

// Which of the panel's vectors is the first of the last N sums.
template <int N>
constexpr int kVector = (kVectors - N % kVectors) % kVectors;
template <int N>
constexpr int kRowsOn = kVector<N> == kVectors - 1 ? 1 : 0;  // to the row of the next one

template <class D, int N>
HWY_INLINE void clear(D d, Sums<D, N>& sums) {
    if constexpr (N > 0) {
        sums.first = hn::Zero(d);
        clear(d, sums.others);
    }
}

// A step's values of the rows, and of the panel's columns.
template <class D, int N>
HWY_INLINE void add_step(D d, Sums<D, N>& sums, const hn::TFromD<D>* rows, const hn::TFromD<D>* weights) {
    if constexpr (N > 0) {
        sums.first = add_products(sums.first, hn::Set(d, *rows), weights + kVector<N> * lanes());
        add_step(d, sums.others, rows + kRowsOn<N>, weights);
    }
}

template <class D, int N>
HWY_INLINE void add(D d, Sums<D, N>& sums, const hn::TFromD<D>* more, std::int64_t stride) {
    if constexpr (N > 0) {
        sums.first = hn::Add(sums.first, hn::LoadU(d, more + kVector<N> * lanes()));
        add(d, sums.others, more + kRowsOn<N> * stride, stride);
    }
}

template <class D, int N>
HWY_INLINE void store(D d, const Sums<D, N>& sums, hn::TFromD<D>* to, std::int64_t stride) {
    if constexpr (N > 0) {
        hn::StoreU(sums.first, d, to + kVector<N> * lanes());
        store(d, sums.others, to + kRowsOn<N> * stride, stride);
    }
}

// Weights that are wanted next, a line each. They are fetched few at a time: a core that waits for as many lines as it
// can gets nothing else done.
template <class T>
struct Lines {
    const T* next;
    std::int64_t count, at_once;

    HWY_INLINE void fetch() {
        for (auto i = std::min(at_once, count); i > 0; --i, --count, next += kPanel) fetch_early(next);
    }
    // The first of them, which are no longer among these then.
    HWY_INLINE Lines take(std::int64_t most) {
        const Lines taken{next, std::min(most, count), at_once};
        next += taken.count * kPanel;
        count -= taken.count;
        return taken;
    }
};

// sums (R, kPanel), `stride` values a row, become those of R rows and a panel's columns over some steps, added to what
// they were unless these are the first. A step of `rows` has a value of each row.
template <int R, class D>
HWY_INLINE void add_steps(D d, const hn::TFromD<D>* rows, const hn::TFromD<D>* weights, std::int64_t steps,
                          Lines<hn::TFromD<D>> lines, bool is_first, hn::TFromD<D>* sums, std::int64_t stride) {
    for (int r = 0; r < R; ++r) fetch_to_change(sums + r * stride);  // they are wanted in the end
    Sums<D, R * kVectors> result;
    clear(d, result);
    for (; steps >= kUnrolled; steps -= kUnrolled) {
        lines.fetch();
        for (int i = 0; i < kUnrolled; ++i, rows += R, weights += kPanel) add_step(d, result, rows, weights);
    }
    for (; steps > 0; --steps, rows += R, weights += kPanel) add_step(d, result, rows, weights);
    if (!is_first) add(d, result, sums, stride);
    store(d, result, sums, stride);
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
        const auto lines_a_group = divide_up(size, groups_), at_once = divide_up(lines_a_group * kUnrolled, size);
        for (std::int64_t step = 0; step < steps_; step += size) {
            const auto end = std::min(steps_, step + size);
            for (std::int64_t first = 0; first < rows_; first += rows_from(first)) pack<kRows>(first, step, end);
            for (std::int64_t column = 0; column < w_.columns; column += kPanel) {
                const auto next = column + kPanel;
                auto lines = next < w_.columns
                                 ? Lines<Value>{panel(next) + step * kPanel, end - step, at_once}
                                 : Lines<Value>{panel(0) + end * kPanel, std::min(size, steps_ - end), at_once};
                for (std::int64_t first = 0; first < rows_; first += rows_from(first))
                    multiply<kRows>(first, column, step, end, lines.take(lines_a_group));
            }
        }
    }

private:
    using Tag = std::conditional_t<kBytes, std::remove_const_t<decltype(kI)>, Floats>;
    using Value = hn::TFromD<Tag>;

    // How many rows the group has that begins with this one. They are dealt out evenly: one row or two would wait for
    // their own sums.
    std::int64_t rows_from(std::int64_t first) const { return rows_a_group_ + (first < end_of_longer_ ? 1 : 0); }

    // Rows one after the other become steps one after the other, each with a value of every row.
    template <int R>
    void pack(std::int64_t first, std::int64_t step, std::int64_t end) const {
        if constexpr (R > 1)
            if (rows_from(first) < R) return pack<R - 1>(first, step, end);
        const auto* from = static_cast<const std::byte*>(x_.values) + first * row_bytes_;
        Value* to = packed_ + first * (end - step);
        const auto whole_end = std::min(end, row_bytes_ / kBytesAStep);
#if HWY_TARGET != HWY_SCALAR
        for (; step + 4 <= whole_end; step += 4, to += 4 * R) pack_four_steps<R>(from + step * kBytesAStep, to);
#endif
        for (; step < whole_end; ++step, to += R)
            for (int r = 0; r < R; ++r) std::memcpy(to + r, from + r * row_bytes_ + step * kBytesAStep, kBytesAStep);
        if (step == end) return;
        for (int r = 0; r < R; ++r) {
            to[r] = 0;
            std::memcpy(to + r, from + r * row_bytes_ + step * kBytesAStep,
                        static_cast<std::size_t>(row_bytes_ % kBytesAStep));
        }
    }

#if HWY_TARGET != HWY_SCALAR
    // Two rows at a time, whose values of a step stand side by side.
    template <int R>
    HWY_INLINE void pack_four_steps(const std::byte* from, Value* to) const {
        constexpr hn::FixedTag<Value, 4> four;
        constexpr hn::Half<decltype(four)> two;
        constexpr hn::Repartition<std::uint8_t, decltype(four)> bytes;
        for (int r = 0; r + 1 < R; r += 2) {
            const auto* row = reinterpret_cast<const std::uint8_t*>(from + r * row_bytes_);
            const auto one = hn::BitCast(four, hn::LoadU(bytes, row)),
                       other = hn::BitCast(four, hn::LoadU(bytes, row + row_bytes_)),
                       begin = hn::InterleaveLower(four, one, other), end = hn::InterleaveUpper(four, one, other);
            hn::StoreU(hn::LowerHalf(two, begin), two, to + r);
            hn::StoreU(hn::UpperHalf(two, begin), two, to + R + r);
            hn::StoreU(hn::LowerHalf(two, end), two, to + 2 * R + r);
            hn::StoreU(hn::UpperHalf(two, end), two, to + 3 * R + r);
        }
        for (int i = 0; R % 2 == 1 && i < 4; ++i)
            std::memcpy(to + i * R + R - 1, from + (R - 1) * row_bytes_ + i * kBytesAStep, kBytesAStep);
    }
#endif

    const Value* panel(std::int64_t column) const {
        return reinterpret_cast<const Value*>(w_.packed.data()) + column / kPanel * panel_values_;
    }

    template <int R>
    void multiply(std::int64_t first, std::int64_t column, std::int64_t step, std::int64_t end,
                  Lines<Value> lines) const {
        if constexpr (R > 1)
            if (rows_from(first) < R) return multiply<R - 1>(first, column, step, end, lines);
        const auto columns = std::min(kPanel, w_.columns - column);
        const auto* weights = panel(column) + step * kPanel;
        auto* y = reinterpret_cast<Value*>(y_ + first * w_.columns + column);  // has sums until they become results
        const auto* rows = packed_ + first * (end - step);
        if (columns == kPanel) {
            add_steps<R>(Tag(), rows, weights, end - step, lines, step == 0, y, w_.columns);
            if (end == steps_) finish<R>(y, w_.columns, first, column);
            return;
        }
        Value sums[R * kPanel];
        for (int r = 0; step > 0 && r < R; ++r) std::copy_n(y + r * w_.columns, columns, sums + r * kPanel);
        add_steps<R>(Tag(), rows, weights, end - step, lines, step == 0, sums, kPanel);
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
    std::int64_t groups_ = std::max<std::int64_t>(1, divide_up(rows_, kRows));
    std::int64_t rows_a_group_ = rows_ / groups_, end_of_longer_ = rows_ % groups_ * (rows_a_group_ + 1);
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
