// Places in one text that is asked for many of them: each answer takes time by its own length, not the text's.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace moebert {

class TextPlaces {
public:
    static constexpr std::size_t npos = std::string_view::npos;

    // `text` must outlive it.
    explicit TextPlaces(std::string_view text);

    // The byte where character `index` begins: the text's size for the one after the last, npos beyond it or below 0.
    std::size_t byte_of_character(std::int64_t index) const;

    // The character where `part` begins, when the text has it exactly once; else -1.
    std::int64_t only_place_of(std::string_view part);

private:
    std::int64_t character_of_byte(std::size_t at) const;
    std::size_t only_byte_of(std::string_view part);
    void sort_suffixes();

    std::string_view text_;
    std::vector<std::size_t> marks_;  // the bytes of characters 0, 64, 128, ...
    std::size_t characters_ = 0;
    int searches_ = 0;
    std::vector<std::uint32_t> suffixes_;  // the text's ends in order, once there were many searches
};

}  // namespace moebert
