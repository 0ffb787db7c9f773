#include "engine/tiles.h"

#include "core/error.h"
#include "engine/gelu.h"
#include "engine/onednn.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include "engine/tile_registers.h"

#include <cstring>
#include <type_traits>

namespace moebert::engine {
namespace {

using tiles::all;
using tiles::kBlockSums;
using tiles::kSide;
using tiles::kStep;
using tiles::polynomial;

constexpr std::int64_t kPanel = 64;                             // columns whose weights lie together
constexpr std::int64_t kPanelStep = kPanel * kStep;             // bytes of them for one step
constexpr std::int64_t kStepsAtOnce = 8;                        // their weights fill two thirds of the first cache
constexpr std::int64_t kSums = onednn::kBlockOnTiles * kPanel;  // of a panel, for the most rows

// What x's rows have beyond the last whole step, filled up with zeros.
struct Tail {
    alignas(64) std::byte bytes[onednn::kBlockOnTiles * kStep];

    Tail(const std::byte* x, std::int64_t rows, std::int64_t row_bytes) {
        const auto rest = row_bytes % kStep;
        for (std::int64_t r = 0; rest > 0 && r < rows; ++r) {
            std::memcpy(bytes + r * kStep, x + (r + 1) * row_bytes - rest, static_cast<std::size_t>(rest));
            std::memset(bytes + r * kStep + rest, 0, static_cast<std::size_t>(kStep - rest));
        }
    }
};

MOEBERT_TILE_INLINE __m512 coarse_gelu(__m512 x) {
    const __m512 inside = _mm512_min_ps(_mm512_max_ps(x, all(-kCoarseGeluLimit)), all(kCoarseGeluLimit));
    const __m512 y = polynomial(kCoarseGelu, _mm512_mul_ps(inside, inside));
    return _mm512_mul_ps(x, _mm512_fmadd_ps(y, inside, all(0.5F)));
}

template <bool kBytes, bool kGelu, class Out>
class Product {
public:
    Product(const LinearWeights& weights, const Operand& x, std::int64_t rows, Out* y)
        : w_(weights),
          x_(x),
          y_(y),
          rows_(rows),
          row_bytes_(weights.inner * (kBytes ? 1 : 2)),
          whole_steps_(row_bytes_ / kStep),
          steps_((row_bytes_ + kStep - 1) / kStep),
          tail_(static_cast<const std::byte*>(x.values), rows, row_bytes_) {}

    MOEBERT_TILE_TARGET void run() const {
        tiles::configure(rows_.in_tile);
        for (std::int64_t column = 0; column < w_.columns; column += kPanel) panel(column);
        _tile_release();
    }

private:
    // Some steps at a time, so that their weights stay in the first cache from one block of rows to the next. The next
    // panel comes into the second one meanwhile, a part with every step.
    MOEBERT_TILE_INLINE void panel(std::int64_t column) const {
        const std::int64_t halves = w_.columns - column > tiles::kBlock ? 2 : 1, passes = rows_.blocks * halves;
        const auto lines = column + kPanel < w_.columns ? (kPanel + passes - 1) / passes : 0;
        const auto at_once = rows_.blocks > 1 ? kStepsAtOnce : steps_;
        const auto* weights = w_.packed.data() + column / kPanel * steps_ * kPanelStep;
        alignas(64) float sums[kSums];
        for (std::int64_t step = 0; step < steps_; step += at_once, weights += at_once * kPanelStep) {
            const auto end = std::min(steps_, step + at_once);
            const auto* next = weights + steps_ * kPanelStep;
            float* to = sums;
            for (std::int64_t block = 0; block < rows_.blocks; ++block)
                for (std::int64_t half = 0; half < halves; ++half, next += lines * kStep, to += kBlockSums) {
                    const auto first = rows_.start(2 * block), second = rows_.start(2 * block + 1);
                    add_steps(step, end, first, second, weights + half * 2 * kStep, next, lines, to);
                    if (end == steps_) finish_block(to, first, second, column + half * tiles::kBlock);
                }
        }
    }

    MOEBERT_TILE_INLINE void add_steps(std::int64_t step, std::int64_t end, std::int64_t first, std::int64_t second,
                                       const std::byte* weights, const std::byte* next, std::int64_t lines,
                                       float* sums) const {
        float* const second_sums = sums + kSide * tiles::kBlock;
        if (step == 0)
            tiles::clear_sums();
        else
            tiles::load_sums(sums, second_sums, tiles::kBlock);
        const auto* x = static_cast<const std::byte*>(x_.values);
        const auto *x0 = x + first * row_bytes_, *x1 = x + second * row_bytes_;
        const auto whole_end = std::min(end, whole_steps_);
        for (; step < whole_end; ++step, weights += kPanelStep, next += kPanelStep) {
            tiles::multiply<kBytes>(x0 + step * kStep, x1 + step * kStep, row_bytes_, weights, kPanel * 4);
            for (std::int64_t i = 0; i < lines; ++i) _mm_prefetch(next + i * kStep, _MM_HINT_T1);
        }
        if (whole_end < end)
            tiles::multiply<kBytes>(tail_.bytes + first * kStep, tail_.bytes + second * kStep, kStep, weights,
                                    kPanel * 4);
        tiles::store_sums(sums, second_sums, tiles::kBlock);
    }

    MOEBERT_TILE_INLINE void finish_block(const float* sums, std::int64_t first, std::int64_t second,
                                          std::int64_t column) const {
        for (std::int64_t i = 0; i < 2; ++i) {
            const auto left = std::min(kSide, w_.columns - column - i * kSide);
            if (left <= 0) break;
            finish(sums + i * kSide, first, column + i * kSide, left);
            finish(sums + i * kSide + kSide * tiles::kBlock, second, column + i * kSide, left);
        }
    }

    // A tile's sums become results.
    MOEBERT_TILE_INLINE void finish(const float* sums, std::int64_t row, std::int64_t column,
                                    std::int64_t columns) const {
        const auto mask = static_cast<__mmask16>((1U << columns) - 1U);
        const __m512 bias = _mm512_maskz_loadu_ps(mask, w_.bias.data() + column);
        __m512 scale = bias, sum = bias;
        if constexpr (kBytes) {
            scale = _mm512_maskz_loadu_ps(mask, w_.scale.data() + column);
            sum = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, w_.sum.data() + column));
        }
        Out* to = y_ + row * w_.columns + column;
        for (std::int64_t r = 0; r < rows_.in_tile; ++r, to += w_.columns) {
            __m512 value;
            if constexpr (kBytes) {
                const __m512 found = _mm512_cvtepi32_ps(_mm512_load_si512(sums + r * tiles::kBlock));
                const __m512 zero = _mm512_set1_ps(static_cast<float>(x_.zero[row + r]));
                const __m512 factor = _mm512_mul_ps(_mm512_set1_ps(x_.scale[row + r]), scale);
                value = _mm512_fmadd_ps(_mm512_fnmadd_ps(zero, sum, found), factor, bias);
            } else {
                value = _mm512_add_ps(_mm512_load_ps(sums + r * tiles::kBlock), bias);
            }
            if constexpr (kGelu) value = coarse_gelu(value);
            if constexpr (std::is_same_v<Out, float>)
                _mm512_mask_storeu_ps(to, mask, value);
            else
                _mm256_mask_storeu_epi16(to, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
        }
    }

    const LinearWeights& w_;
    const Operand& x_;
    Out* y_;
    tiles::Rows rows_;
    std::int64_t row_bytes_, whole_steps_, steps_;
    Tail tail_;
};

template <bool kBytes, class Out>
void multiply(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, Out* y) {
    if (has_gelu)
        Product<kBytes, true, Out>(weights, x, rows, y).run();
    else
        Product<kBytes, false, Out>(weights, x, rows, y).run();
}

template <class Out>
void multiply(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, Out* y) {
    if (weights.precision == Precision::int8)
        multiply<true>(weights, x, rows, has_gelu, y);
    else
        multiply<false>(weights, x, rows, has_gelu, y);
}

}  // namespace

bool runs_on_tiles() { return onednn::is_amx(); }

void multiply_on_tiles(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, float* y) {
    multiply(weights, x, rows, has_gelu, y);
}

void multiply_on_tiles(const LinearWeights& weights, const Operand& x, std::int64_t rows, bool has_gelu, bf16_bits* y) {
    multiply(weights, x, rows, has_gelu, y);
}

}  // namespace moebert::engine

#else

namespace moebert::engine {

bool runs_on_tiles() { return false; }

void multiply_on_tiles(const LinearWeights&, const Operand&, std::int64_t, bool, float*) {
    fail("products on tiles: not on this processor");
}

void multiply_on_tiles(const LinearWeights&, const Operand&, std::int64_t, bool, bf16_bits*) {
    fail("products on tiles: not on this processor");
}

}  // namespace moebert::engine

#endif
