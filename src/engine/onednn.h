// What the files of this room that use oneDNN share; no other header includes it.
#pragma once

#include <dnnl.hpp>

#include "engine/operand.h"

namespace moebert::engine::onednn {

using dnnl::memory;

// Rows of one product at most: they and their results stay in the cache, and few primitives are made.
constexpr std::int64_t kBlock = 128;
constexpr std::int64_t kBlockOnTiles = 192;

const dnnl::engine& cpu();

memory::data_type type_of(Precision precision);      // of results
memory::data_type source_type(Precision precision);  // of rows
memory::data_type weight_type(Precision precision);

// Row-major.
memory::desc plain(std::int64_t rows, std::int64_t columns, memory::data_type type);
memory view(const memory::desc& desc, const void* data);

// With a scratchpad of the caller's, so that threads can share primitives.
dnnl::primitive_attr attributes(const dnnl::post_ops& after = {});

// The bias is the product's own except where its sums are integers.
dnnl::matmul::primitive_desc describe(std::int64_t rows, std::int64_t inner, std::int64_t columns, Precision precision,
                                      memory::data_type to, const memory::desc& weight,
                                      const dnnl::primitive_attr& attr);
// How a weight is packed: as tiles read it, or as oneDNN chooses for a full block; other numbers of rows then keep to
// it.
memory::desc layout(std::int64_t inner, std::int64_t columns, Precision precision);

bool has_avx512();
bool is_amx();

}  // namespace moebert::engine::onednn
