// The tile registers of AMX, for the sources that use them: x86-64 with GCC alone.
#pragma once

// GCC's own header names values that it leaves undefined on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/operand.h"

#define MOEBERT_TILE_TARGET \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,amx-int8")))
#define MOEBERT_TILE_INLINE MOEBERT_TILE_TARGET __attribute__((always_inline)) inline

namespace moebert::engine::tiles {

constexpr std::int64_t kSide = 16;          // rows of a tile, and its columns of sums
constexpr std::int64_t kStep = 64;          // bytes of a tile's row: what one instruction multiplies
constexpr std::int64_t kBlock = 2 * kSide;  // rows, and columns, of sums at a time
constexpr std::int64_t kBlockSums = kBlock * kBlock;

// Rows are dealt out evenly to pairs of tiles. The last tile begins earlier where they don't come out even: some rows
// are computed twice then, with the same result.
struct Rows {
    std::int64_t count, blocks, in_tile;

    explicit Rows(std::int64_t rows)
        : count(rows), blocks(divide_up(rows, kBlock)), in_tile(divide_up(rows, 2 * blocks)) {}
    std::int64_t start(std::int64_t tile) const { return std::min(tile * in_tile, count - in_tile); }
};

MOEBERT_TILE_INLINE __m512 all(float value) { return _mm512_set1_ps(value); }

// The highest power's coefficient comes first.
template <std::size_t N>
MOEBERT_TILE_INLINE __m512 polynomial(const float (&coefficients)[N], __m512 x) {
    __m512 y = all(coefficients[0]);
    for (std::size_t i = 1; i < N; ++i) y = _mm512_fmadd_ps(y, x, all(coefficients[i]));
    return y;
}

// What LDTILECFG reads.
struct alignas(64) Configuration {
    std::uint8_t palette = 1, start_row = 0, unused[14] = {};
    std::uint16_t bytes[16] = {};
    std::uint8_t rows[16] = {};
};

// Tiles 0 to 3 are sums, of two tiles of rows by two of columns: 4 and 5 by 6 and 7. Until _tile_release().
MOEBERT_TILE_INLINE void configure(std::int64_t rows) {
    Configuration c;
    for (int tile = 0; tile < 8; ++tile) {
        c.bytes[tile] = kStep;
        c.rows[tile] = static_cast<std::uint8_t>(tile < 6 ? rows : kSide);
    }
    _tile_loadconfig(&c);
    asm volatile("" ::: "memory");  // tile loads don't tell the compiler what they read
}

MOEBERT_TILE_INLINE void clear_sums() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

// Adds one step's products: of bytes without a sign with signed ones, or of pairs of bfloat16. `columns`: the first of
// the two tiles, whose rows are `stride` bytes apart; the second lies beside it.
template <bool kBytes>
MOEBERT_TILE_INLINE void multiply(const void* rows0, const void* rows1, std::int64_t row_stride, const void* columns,
                                  std::int64_t stride) {
    _tile_loadd(6, columns, stride);
    _tile_loadd(4, rows0, row_stride);
    if constexpr (kBytes)
        _tile_dpbusd(0, 4, 6);
    else
        _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, static_cast<const std::byte*>(columns) + kStep, stride);
    _tile_loadd(5, rows1, row_stride);
    if constexpr (kBytes) {
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    } else {
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

// Both tiles of rows, at rows0 and rows1, `stride` values a row.
MOEBERT_TILE_INLINE void load_sums(const float* rows0, const float* rows1, std::int64_t stride) {
    const auto bytes = stride * 4;
    _tile_loadd(0, rows0, bytes);
    _tile_loadd(1, rows0 + kSide, bytes);
    _tile_loadd(2, rows1, bytes);
    _tile_loadd(3, rows1 + kSide, bytes);
}

MOEBERT_TILE_INLINE void store_sums(float* rows0, float* rows1, std::int64_t stride) {
    const auto bytes = stride * 4;
    _tile_stored(0, rows0, bytes);
    _tile_stored(1, rows0 + kSide, bytes);
    _tile_stored(2, rows1, bytes);
    _tile_stored(3, rows1 + kSide, bytes);
}

}  // namespace moebert::engine::tiles
