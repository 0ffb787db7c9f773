#include "text/template.h"

#include <algorithm>

namespace moebert {
namespace {

using Kind = TemplatePiece::Kind;

bool is_special(const TemplatePiece& piece) { return piece.kind == Kind::special; }

}  // namespace

Template bert_template(const std::string& cls_token, const std::string& sep_token) {
    const TemplatePiece cls{Kind::special, 0, cls_token}, sep{Kind::special, 0, sep_token};
    const TemplatePiece last{Kind::special, 1, sep_token};
    return {{cls, {Kind::first, 0}, sep}, {cls, {Kind::first, 0}, sep, {Kind::second, 1}, last}};
}

std::size_t count_special_tokens(const TemplatePieces& pieces) {
    return static_cast<std::size_t>(std::ranges::count_if(pieces, is_special));
}

std::size_t special_tokens_before(const TemplatePieces& pieces, Kind text) {
    const auto place = std::ranges::find(pieces, text, &TemplatePiece::kind);
    return static_cast<std::size_t>(std::count_if(pieces.begin(), place, is_special));
}

}  // namespace moebert
