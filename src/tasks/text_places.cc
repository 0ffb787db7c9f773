#include "tasks/text_places.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/utf8.h"

namespace moebert {
namespace {

constexpr std::size_t kStep = 64;
constexpr int kManySearches = 64;

}  // namespace

TextPlaces::TextPlaces(std::string_view text) : text_(text) {
    for (std::size_t at = 0; at < text.size(); ++characters_) {
        if (characters_ % kStep == 0) marks_.push_back(at);
        at += decode_utf8(text, at).bytes;
    }
}

std::size_t TextPlaces::byte_of_character(std::int64_t index) const {
    if (index < 0 || static_cast<std::size_t>(index) > characters_) return npos;
    const auto number = static_cast<std::size_t>(index);
    if (number == characters_) return text_.size();
    auto at = marks_[number / kStep];
    for (auto left = number % kStep; left > 0; --left) at += decode_utf8(text_, at).bytes;
    return at;
}

std::int64_t TextPlaces::character_of_byte(std::size_t at) const {
    const auto mark = std::ranges::upper_bound(marks_, at) - marks_.begin() - 1;
    const auto begin = marks_[static_cast<std::size_t>(mark)];
    return mark * static_cast<std::int64_t>(kStep) +
           static_cast<std::int64_t>(count_characters(text_.substr(begin, at - begin)));
}

// By doubling (Manber and Myers 1990): suffixes sorted by their first 2^k bytes give the order by twice as many.
void TextPlaces::sort_suffixes() {
    const auto size = text_.size();
    std::vector<std::uint32_t> rank(size), next(size);
    suffixes_.resize(size);
    std::iota(suffixes_.begin(), suffixes_.end(), 0U);
    for (std::size_t i = 0; i < size; ++i) rank[i] = static_cast<unsigned char>(text_[i]) + 1U;
    for (std::size_t length = 0; size > 0; length = std::max<std::size_t>(1, 2 * length)) {
        const auto key = [&](std::uint32_t i) {
            return std::pair(rank[i], length > 0 && i + length < size ? rank[i + length] : 0U);
        };
        std::ranges::sort(suffixes_, {}, key);
        next[suffixes_[0]] = 1;
        for (std::size_t i = 1; i < size; ++i)
            next[suffixes_[i]] = next[suffixes_[i - 1]] + (key(suffixes_[i - 1]) < key(suffixes_[i]) ? 1U : 0U);
        rank.swap(next);
        if (rank[suffixes_.back()] == size) break;
    }
}

std::size_t TextPlaces::only_byte_of(std::string_view part) {
    if (suffixes_.empty() && ++searches_ > kManySearches && text_.size() < std::numeric_limits<std::uint32_t>::max())
        sort_suffixes();
    if (suffixes_.empty()) {
        const auto find = [&](std::size_t from) {  // memmem takes linear time, find() does not
            const auto* found = ::memmem(text_.data() + from, text_.size() - from, part.data(), part.size());
            return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text_.data()) : npos;
        };
        const auto at = find(0);
        return at == npos || find(at + 1) != npos ? npos : at;
    }
    const auto begins = [&](std::uint32_t at) { return text_.substr(at, part.size()); };
    const auto first = std::ranges::lower_bound(suffixes_, part, {}, begins);
    const auto end = std::ranges::upper_bound(suffixes_, part, {}, begins);
    return end - first == 1 ? *first : npos;
}

std::int64_t TextPlaces::only_place_of(std::string_view part) {
    const auto at = part.empty() ? npos : only_byte_of(part);
    return at == npos ? -1 : character_of_byte(at);
}

}  // namespace moebert
