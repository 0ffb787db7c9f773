#include <fmt/format.h>

#include <cstring>

#include "growth/growth.h"
#include "io/json.h"
#include "io/model_config.h"
#include "io/pickle.h"
#include "io/safetensors.h"
#include "io/support.h"

namespace moebert {
namespace {

using test::expect_linear;

// `before`, then so many pieces with commas between, then `after`.
template <class Piece>
std::string joined(const std::string& before, std::size_t pieces, const std::string& after, Piece piece) {
    std::string text = before;
    for (std::size_t i = 0; i < pieces; ++i) text += (i == 0 ? "" : ",") + piece(i);
    return text + after;
}

const auto parse = [](const std::string& text) { parse_json(text, "input"); };

TEST(Growth, OfJsonIsLinearInKeys) {
    expect_linear(
        20'000, [](std::size_t n) { return joined("{", n, "}", [](auto i) { return fmt::format("\"{}\":{{}}", i); }); },
        parse);
}

TEST(Growth, OfJsonIsLinearInObjectsOfAList) {
    expect_linear(
        20'000, [](std::size_t n) { return joined("[", n, "]", [](auto) { return std::string("{\"a\":1}"); }); },
        parse);
}

TEST(Growth, OfJsonIsLinearInWhatIsLeftOut) {
    expect_linear(
        20'000, [](std::size_t n) { return joined("[", n, "]", [](auto) { return std::string("{\"a\":1}"); }); },
        [](const std::string& text) {
            using Event = nlohmann::json::parse_event_t;
            const auto watch = [](int depth, Event event, auto&) { return depth != 1 || event != Event::object_end; };
            EXPECT_TRUE(parse_json(text, "input", {.watch = watch}).empty());
        });
}

TEST(Growth, OfSafetensorsIsLinearInTensors) {
    expect_linear(
        5'000,
        [](std::size_t n) {
            auto header = joined("{", n, "}", [](auto i) {
                return fmt::format(R"("{:x}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", i);
            });
            std::string size(8, '\0');
            const std::uint64_t length = header.size();
            std::memcpy(size.data(), &length, 8);
            return size + header;
        },
        [](const std::string& file) { parse_safetensors(test::bytes_of(file), nullptr, "input"); });
}

TEST(Growth, OfConfigJsonIsLinearInLabels) {
    expect_linear(
        5'000,
        [](std::size_t n) {
            const auto label = [](auto i) { return fmt::format(R"("{}":"c{}")", i, i); };
            return R"({"model_type":"bert","vocab_size":97,"hidden_size":32,"num_hidden_layers":3,)"
                   R"("num_attention_heads":4,"intermediate_size":64,"max_position_embeddings":40,)" +
                   joined("\"id2label\":{", n, "}}", label);
        },
        [](const std::string& text) { parse_model_config(text, "input"); });
}

TEST(Growth, OfPicklesIsLinearInObjects) {
    expect_linear(
        20'000,
        [](std::size_t n) {
            std::string text = "(";
            for (std::size_t i = 0; i < n; ++i) text += "I1\n";
            return text + "l.";
        },
        [](const std::string& text) { pickle::parse(test::bytes_of(text), "input", {}); });
}

}  // namespace
}  // namespace moebert
