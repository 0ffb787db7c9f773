#include "engine/linear_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "engine/onednn.h"
#include "engine/panels.h"
#include "engine/quantization.h"

namespace moebert::engine {

using namespace onednn;

namespace {

memory::desc as_in_checkpoints(std::int64_t inner, std::int64_t columns, memory::data_type type) {
    return {{inner, columns}, type, memory::format_tag::ba};
}

void reorder(memory from, memory to) {
    dnnl::stream stream(cpu());
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
}

// What pack() makes.
struct OwnWeights {
    std::shared_ptr<std::pmr::memory_resource> arena;  // has what is packed
    std::vector<float> bias, scale;
    std::vector<std::int32_t> sum;
};

// What becomes 127 in a column of bytes: its largest value, or the largest sum of a pair where these are limited.
float range(std::span<const float> column) {
    float most = 0.0F;
    for (const float value : column) most = std::max(most, std::abs(value));
    if (!runs_on_panels()) return most;
    for (std::size_t i = 1; i < column.size(); i += 2) most = std::max(most, std::abs(column[i - 1] + column[i]));
    return most;
}

// A 127th, rounded up to 16 bits so that to round weights that were rounded already changes nothing: their largest
// value may be off by float32's roundings, which the factor is beyond.
float scale_of(float most) {
    if (most == 0.0F) return 1.0F;
    constexpr float kBelow = 1.0F - 0x1p-18F;
    return std::bit_cast<float>((std::bit_cast<std::uint32_t>(most / 127.0F * kBelow) + 0xFF) & ~0xFFU);
}

// Rounded one by one, a pair's sum might exceed kMostOfPair by one: the second makes it the sum's rounded value.
void round_large_pairs(std::span<const float> column, float scale, std::int8_t* bytes) {
    for (std::size_t i = 1; i < column.size(); i += 2)
        if (std::abs(bytes[i - 1] + bytes[i]) >= kMostOfPair - 1)
            bytes[i] = static_cast<std::int8_t>(std::lrint((column[i - 1] + column[i]) / scale) - bytes[i - 1]);
}

// The bytes of a weight with a scale a column.
std::vector<std::int8_t> quantize(std::span<const float> weight, std::int64_t inner, OwnWeights& own) {
    std::vector<std::int8_t> bytes(weight.size());
    std::vector<float> column(static_cast<std::size_t>(inner));
    for (std::size_t begin = 0; begin < weight.size(); begin += static_cast<std::size_t>(inner)) {
        rotate_column(weight.data() + begin, inner, column.data());
        auto* to = bytes.data() + begin;
        const float scale = scale_of(range(column));
        for (std::size_t i = 0; i < column.size(); ++i) to[i] = static_cast<std::int8_t>(std::lrint(column[i] / scale));
        if (runs_on_panels()) round_large_pairs(column, scale, to);
        own.scale.push_back(scale);
        own.sum.push_back(std::accumulate(to, to + inner, 0));
    }
    return bytes;
}

}  // namespace

std::size_t packed_size(std::int64_t inner, std::int64_t columns, Precision precision) try {
    return layout(inner, columns, precision).get_size();
} catch (const dnnl::error& error) {
    fail("linear layer: {}", error.what());
}

LinearWeights pack(std::span<const float> weight, std::span<const float> bias, Precision precision,
                   const std::shared_ptr<std::pmr::memory_resource>& arena) try {
    const auto columns = std::ssize(bias), inner = std::ssize(weight) / std::max<std::int64_t>(1, columns);
    if (columns * inner != std::ssize(weight)) fail("a weight of {} values for {} columns", weight.size(), columns);
    if (precision == Precision::int8 && inner > 65536) fail("int8: products of {} values may overflow", inner);
    auto own = std::make_shared<OwnWeights>();
    own->arena = arena;
    const auto desc = layout(inner, columns, precision);
    const std::span packed(static_cast<std::byte*>(arena->allocate(desc.get_size(), 64)), desc.get_size());
    own->bias.assign(bias.begin(), bias.end());
    if (precision == Precision::int8) {
        const auto bytes = quantize(weight, inner, *own);
        reorder(view(as_in_checkpoints(inner, columns, memory::data_type::s8), bytes.data()),
                view(desc, packed.data()));
    } else {
        reorder(view(as_in_checkpoints(inner, columns, memory::data_type::f32), weight.data()),
                view(desc, packed.data()));
    }
    return {inner, columns, precision, packed, own->bias, own->scale, own->sum, own};
} catch (const dnnl::error& error) {
    fail("linear layer: {}", error.what());
}

std::vector<float> unpack(const LinearWeights& w) try {
    std::vector<float> weight(static_cast<std::size_t>(w.inner * w.columns));
    const auto packed = view(layout(w.inner, w.columns, w.precision), w.packed.data());
    if (w.precision != Precision::int8) {
        reorder(packed, view(as_in_checkpoints(w.inner, w.columns, memory::data_type::f32), weight.data()));
        return weight;
    }
    std::vector<std::int8_t> bytes(weight.size());
    reorder(packed, view(as_in_checkpoints(w.inner, w.columns, memory::data_type::s8), bytes.data()));
    for (std::int64_t c = 0; c < w.columns; ++c) {
        float* column = weight.data() + c * w.inner;
        for (std::int64_t i = 0; i < w.inner; ++i)
            column[i] = static_cast<float>(bytes[at(c * w.inner + i)]) * w.scale[at(c)];
        rotate_column_back(column, w.inner, column);
    }
    return weight;
} catch (const dnnl::error& error) {
    fail("linear layer: {}", error.what());
}

}  // namespace moebert::engine
