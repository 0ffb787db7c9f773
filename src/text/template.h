// The special tokens around one text or two, as a model was trained with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace moebert {

// A special token, or the place of a text; all of its tokens have one type.
struct TemplatePiece {
    enum class Kind : std::uint8_t { special, first, second };

    Kind kind = Kind::special;
    std::uint8_t type_id = 0;
    std::string token = {};  // of a special one
    std::int32_t id = -1;    // of a special one; -1: to be looked up by its token

    bool operator==(const TemplatePiece&) const = default;
};

using TemplatePieces = std::vector<TemplatePiece>;

// Of one text and of two, the first of which comes first.
struct Template {
    TemplatePieces single, pair;

    bool operator==(const Template&) const = default;
};

// BERT's: `[CLS] a [SEP]` and `[CLS] a [SEP] b [SEP]`, of which the second text and the [SEP] after it have type 1.
Template bert_template(const std::string& cls_token, const std::string& sep_token);

std::size_t count_special_tokens(const TemplatePieces& pieces);

// How many special tokens stand before the text of that kind.
std::size_t special_tokens_before(const TemplatePieces& pieces, TemplatePiece::Kind text);

}  // namespace moebert
