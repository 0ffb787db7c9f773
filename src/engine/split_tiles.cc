#include "engine/split_tiles.h"

#include "core/error.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include "engine/gelu.h"
#include "engine/tile_registers.h"

#include <utility>

namespace moebert::engine {
namespace split {
namespace {

using tiles::all;
using tiles::kBlock;
using tiles::kBlockSums;
using tiles::kSide;
using tiles::kStep;
using tiles::polynomial;

constexpr std::int64_t kStepValues = kStep / 2;
constexpr std::int64_t kParts = 3;
constexpr std::int64_t kTile = kSide * kStep;              // bytes
constexpr std::int64_t kRowsStep = kParts * kTile;         // of a tile of rows in one step
constexpr std::int64_t kColumnsStep = kParts * 2 * kTile;  // of two tiles of columns
constexpr std::int64_t kPanel = kBlock;                    // columns whose weights lie together
constexpr std::int64_t kPanelRow = 2 * kPanel;             // floats of two rows of the weights, which tiles have in one
constexpr std::int64_t kPanelStep = kSide * kPanelRow;     // floats of one step
constexpr std::int64_t kChunk = 24;                        // see Plan
constexpr std::int64_t kAhead = 4 * kPanelStep;            // from the weights that are split to those that are fetched

// Of the words of two vectors those that are a float32's upper half.
alignas(64) constexpr std::int16_t kUpperHalves[] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                     33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};

// A tile's row of 32 values becomes one of each part, `stride` bytes apart. The first part is rounded to the nearest,
// so that the next is small; of what is left the second has the next eight bits, and the third the rest.
MOEBERT_TILE_INLINE void split_row(__m512 low, __m512 high, std::byte* to, std::int64_t stride) {
    const __m512i half = _mm512_set1_epi32(0x8000), mask = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
    const __m512i upper = _mm512_load_si512(kUpperHalves);
    const __m512i low_rounded = _mm512_add_epi32(_mm512_castps_si512(low), half);
    const __m512i high_rounded = _mm512_add_epi32(_mm512_castps_si512(high), half);
    _mm512_store_si512(to, _mm512_permutex2var_epi16(low_rounded, upper, high_rounded));
    low = _mm512_sub_ps(low, _mm512_castsi512_ps(_mm512_and_si512(low_rounded, mask)));
    high = _mm512_sub_ps(high, _mm512_castsi512_ps(_mm512_and_si512(high_rounded, mask)));
    const __m512i low_rest = _mm512_castps_si512(low), high_rest = _mm512_castps_si512(high);
    _mm512_store_si512(to + stride, _mm512_permutex2var_epi16(low_rest, upper, high_rest));
    low = _mm512_sub_ps(low, _mm512_castsi512_ps(_mm512_and_si512(low_rest, mask)));
    high = _mm512_sub_ps(high, _mm512_castsi512_ps(_mm512_and_si512(high_rest, mask)));
    _mm512_store_si512(to + 2 * stride,
                       _mm512_permutex2var_epi16(_mm512_castps_si512(low), upper, _mm512_castps_si512(high)));
}

MOEBERT_TILE_INLINE __m512 gelu(__m512 x) {
    const __m512 inside = _mm512_min_ps(_mm512_max_ps(x, all(-kGeluLimit)), all(kGeluLimit));
    const __m512 square = _mm512_mul_ps(inside, inside);
    const __m512 numerator = _mm512_mul_ps(inside, polynomial(kGeluNumerator, square));
    const __m512 denominator = polynomial(kGeluDenominator, square);
    const __m512 guess = _mm512_rcp14_ps(denominator);
    const __m512 reciprocal = _mm512_mul_ps(guess, _mm512_fnmadd_ps(denominator, guess, all(2.0F)));
    return _mm512_mul_ps(x, _mm512_fmadd_ps(numerator, reciprocal, all(0.5F)));
}

// How a product is cut.
struct Plan {
    Plan(const FloatPanels& weights, std::int64_t row_count)
        : rows(row_count),
          panels(divide_up(weights.columns, kPanel)),
          steps(divide_up(weights.inner, kStepValues)),
          chunk(std::min(kChunk, steps)),
          unit(rows.blocks > 1 ? 8 : 2) {}

    std::int64_t panel_sums() const { return rows.blocks * kBlockSums; }

    // Bytes of work space.
    std::int64_t split_columns() const { return 2 * unit * kColumnsStep; }
    std::int64_t split_rows() const { return 2 * rows.blocks * chunk * kRowsStep; }
    std::int64_t sums() const { return (chunk < steps ? panels : 1) * panel_sums() * 4; }

    tiles::Rows rows;
    std::int64_t panels, steps;
    std::int64_t chunk;  // steps for which rows are split at once: these should fit the second cache
    std::int64_t unit;   // steps for which a panel's weights are
};

template <bool kGelu>
class Product {
public:
    Product(const FloatPanels& weights, const float* x, std::int64_t rows, void* work, float* y)
        : w_(weights),
          x_(x),
          y_(y),
          plan_(weights, rows),
          split_columns_{static_cast<std::byte*>(work), static_cast<std::byte*>(work) + plan_.unit * kColumnsStep},
          split_rows_(static_cast<std::byte*>(work) + plan_.split_columns()),
          sums_(reinterpret_cast<float*>(split_rows_ + plan_.split_rows())) {}

    MOEBERT_TILE_TARGET void run() {
        tiles::configure(plan_.rows.in_tile);
        for (std::int64_t first = 0; first < plan_.steps; first += plan_.chunk) {
            const auto end = std::min(plan_.steps, first + plan_.chunk);
            split_rows(first, end);
            const auto start = unit(0, first, end);
            split_columns(start, 0, start.rows, split_columns_[0]);
            for (std::int64_t panel = 0; panel < plan_.panels; ++panel) multiply_panel(panel, first, end);
        }
        _tile_release();
    }

private:
    // A panel's weights for some steps.
    struct Unit {
        const float* weights = nullptr;
        std::int64_t rows = 0;  // of tiles
    };
    Unit unit(std::int64_t panel, std::int64_t step, std::int64_t chunk_end) const {
        return {w_.packed + (panel * plan_.steps + step) * kPanelStep, std::min(plan_.unit, chunk_end - step) * kSide};
    }

    MOEBERT_TILE_INLINE void split_rows(std::int64_t first, std::int64_t end) const {
        for (std::int64_t tile = 0; tile < 2 * plan_.rows.blocks; ++tile) {
            std::byte* to = split_rows_ + tile * plan_.chunk * kRowsStep;
            for (auto step = first; step < end; ++step, to += kRowsStep) {
                const auto place = step * kStepValues, left = std::min(w_.inner - place, kStepValues);
                const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << left) - 1U);
                const float* x = x_ + plan_.rows.start(tile) * w_.inner + place;
                for (std::int64_t r = 0; r < plan_.rows.in_tile; ++r, x += w_.inner)
                    split_row(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x),
                              _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), x + 16), to + r * kStep, kTile);
            }
        }
    }

    MOEBERT_TILE_INLINE void split_columns(const Unit& unit, std::int64_t first, std::int64_t end,
                                           std::byte* to) const {
        for (auto row = first; row < std::min(end, unit.rows); ++row) {
            const float* from = unit.weights + row * kPanelRow;
            for (std::int64_t i = 0; i < kPanelRow; i += 16) _mm_prefetch(from + kAhead + i, _MM_HINT_T1);
            std::byte* tile_row = to + row / kSide * kColumnsStep + row % kSide * kStep;
            split_row(_mm512_loadu_ps(from), _mm512_loadu_ps(from + 16), tile_row, 2 * kTile);
            split_row(_mm512_loadu_ps(from + 32), _mm512_loadu_ps(from + 48), tile_row + kTile, 2 * kTile);
        }
    }

    // While one unit's steps are multiplied the next one's weights are split: the tile unit needs little else.
    MOEBERT_TILE_INLINE void multiply_panel(std::int64_t panel, std::int64_t begin, std::int64_t chunk_end) {
        float* sums = sums_ + (plan_.chunk < plan_.steps ? panel * plan_.panel_sums() : 0);
        for (auto step = begin; step < chunk_end; step += plan_.unit) {
            const auto end = std::min(chunk_end, step + plan_.unit);
            const auto next = end < chunk_end            ? unit(panel, end, chunk_end)
                              : panel + 1 < plan_.panels ? unit(panel + 1, begin, chunk_end)
                                                         : Unit{};
            const auto at_once = divide_up(next.rows, plan_.rows.blocks * (end - step));
            std::int64_t row = 0;
            float* to = sums;
            for (std::int64_t block = 0; block < plan_.rows.blocks; ++block, to += kBlockSums) {
                float* const second = to + kSide * kBlock;
                if (step == 0)
                    tiles::clear_sums();
                else
                    tiles::load_sums(to, second, kBlock);
                const auto* rows = split_rows_ + (2 * block * plan_.chunk + step - begin) * kRowsStep;
                const auto* columns = split_columns_[0];
                for (auto i = step; i < end; ++i, rows += kRowsStep, columns += kColumnsStep, row += at_once) {
                    multiply(rows, rows + plan_.chunk * kRowsStep, columns);
                    split_columns(next, row, row + at_once, split_columns_[1]);
                }
                tiles::store_sums(to, second, kBlock);
                if (end == plan_.steps) finish_block(to, block, panel * kPanel);
            }
            std::swap(split_columns_[0], split_columns_[1]);
        }
    }

    // The products of one step, the least first: each change loads rows or columns alone.
    MOEBERT_TILE_INLINE static void multiply(const std::byte* rows0, const std::byte* rows1, const std::byte* columns) {
        load_columns(columns);
        load_rows_and_add(rows0 + 2 * kTile, rows1 + 2 * kTile);
        load_rows_and_add(rows0 + kTile, rows1 + kTile);
        load_columns(columns + 2 * kTile);
        add();
        load_rows_and_add(rows0, rows1);
        load_columns(columns + 4 * kTile);
        add();
        load_columns(columns);
        add();
    }
    MOEBERT_TILE_INLINE static void load_columns(const std::byte* columns) {
        _tile_loadd(6, columns, kStep);
        _tile_loadd(7, columns + kTile, kStep);
    }
    MOEBERT_TILE_INLINE static void load_rows_and_add(const std::byte* rows0, const std::byte* rows1) {
        _tile_loadd(4, rows0, kStep);
        _tile_loadd(5, rows1, kStep);
        add();
    }
    MOEBERT_TILE_INLINE static void add() {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }

    MOEBERT_TILE_INLINE void finish_block(const float* sums, std::int64_t block, std::int64_t column) const {
        const auto first = plan_.rows.start(2 * block), second = plan_.rows.start(2 * block + 1);
        for (std::int64_t i = 0; i < 2; ++i, sums += kSide, column += kSide) {
            const auto left = std::min(kSide, w_.columns - column);
            if (left <= 0) break;
            finish(sums, first, column, left);
            finish(sums + kSide * kBlock, second, column, left);
        }
    }

    // A tile's sums become results.
    MOEBERT_TILE_INLINE void finish(const float* sums, std::int64_t row, std::int64_t column,
                                    std::int64_t columns) const {
        const auto mask = static_cast<__mmask16>((1U << columns) - 1U);
        const __m512 bias = _mm512_maskz_loadu_ps(mask, w_.bias + column);
        float* to = y_ + row * w_.columns + column;
        for (std::int64_t r = 0; r < plan_.rows.in_tile; ++r, to += w_.columns) {
            __m512 value = _mm512_add_ps(_mm512_load_ps(sums + r * kBlock), bias);
            if constexpr (kGelu) value = gelu(value);
            _mm512_mask_storeu_ps(to, mask, value);
        }
    }

    FloatPanels w_;
    const float* x_;
    float* y_;
    Plan plan_;
    std::byte* split_columns_[2];  // of this unit and the next: step by step, part by part, tile by tile
    std::byte* split_rows_;        // of a chunk: tile by tile of rows, step by step, part by part
    float* sums_;                  // of a panel; of all where there are several chunks
};

}  // namespace
}  // namespace split

std::size_t split_work_bytes(const FloatPanels& weights, std::int64_t rows) {
    const split::Plan plan(weights, rows);
    return static_cast<std::size_t>(plan.split_columns() + plan.split_rows() + plan.sums());
}

void multiply_split(const FloatPanels& weights, const float* x, std::int64_t rows, bool has_gelu, void* work,
                    float* y) {
    if (has_gelu)
        split::Product<true>(weights, x, rows, work, y).run();
    else
        split::Product<false>(weights, x, rows, work, y).run();
}

}  // namespace moebert::engine

#else

namespace moebert::engine {

std::size_t split_work_bytes(const FloatPanels&, std::int64_t) { return 0; }

void multiply_split(const FloatPanels&, const float*, std::int64_t, bool, void*, float*) {
    fail("products on tiles: not on this processor");
}

}  // namespace moebert::engine

#endif
