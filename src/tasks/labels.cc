#include "tasks/labels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/ascii.h"
#include "core/error.h"
#include "core/utf8.h"
#include "text/unicode.h"

namespace moebert {
namespace {

using Names = std::span<const std::string>;

constexpr std::size_t kAmbiguous = ~std::size_t{0};

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    const auto begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    text = trimmed(text);
    if (text.starts_with('+')) text.remove_prefix(1);
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole ? std::optional(value) : std::nullopt;
}

std::optional<double> parse_finite(std::string_view text) {
    const auto value = parse_number<double>(text);
    return value && std::isfinite(*value) ? value : std::nullopt;
}

// 1 and 1.0.
std::optional<std::int64_t> parse_whole(std::string_view text) {
    if (const auto value = parse_number<std::int64_t>(text)) return value;
    constexpr double kExact = 9007199254740992.0;  // 2^53
    const auto value = parse_finite(text);
    const bool is_whole = value && std::abs(*value) <= kExact && std::floor(*value) == *value;
    return is_whole ? std::optional(static_cast<std::int64_t>(*value)) : std::nullopt;
}

std::string lower(std::string_view text) {
    const bool is_ascii = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (is_ascii) return lower_ascii(text);
    std::string out;
    std::u32string characters;
    for (std::size_t at = 0; at < text.size();) {
        const auto next = decode_utf8(text, at);
        characters += next.code_point;
        at += next.bytes;
    }
    for (const char32_t c : lower_text(characters)) append_utf8(out, c);
    return out;
}

bool is_number(const std::string& text) { return parse_finite(text).has_value(); }
bool is_whole(const std::string& text) { return parse_whole(text).has_value(); }
bool has_point(const std::string& text) { return !parse_number<std::int64_t>(text).has_value(); }

// How often each spelling of one label occurs.
using Spellings = std::map<std::string, std::size_t>;

const std::string& most_common(const Spellings& spellings) {
    return std::ranges::max_element(spellings, {}, &Spellings::value_type::second)->first;
}

// A warning of spellings that differ in case, of which there may be many.
void warn_of_case(const std::map<std::string, Spellings>& labels, std::vector<std::string>& warnings) {
    std::size_t merged = 0;
    std::string first;
    for (const auto& [key, spellings] : labels) {
        if (spellings.size() < 2 || is_number(key)) continue;
        if (merged++ > 0) continue;
        std::vector<std::string> quoted;
        for (const auto& [spelling, count] : spellings) quoted.push_back(fmt::format("\"{}\"", spelling));
        first = fmt::format("{} are one label, {}", fmt::join(quoted, " and "), most_common(spellings));
    }
    if (merged == 1) warnings.push_back(first);
    if (merged > 1) warnings.push_back(fmt::format("{} labels differ in case alone: {}, for example", merged, first));
}

InferredLabels classes_of(Names texts) {
    std::map<std::string, Spellings> labels;
    for (const auto& text : texts) ++labels[label_key(text)][std::string(trimmed(text))];
    InferredLabels out;
    warn_of_case(labels, out.warnings);
    auto& names = out.labels.names;
    const bool are_whole = std::ranges::all_of(labels, [](const auto& label) { return is_whole(label.first); });
    for (const auto& [key, spellings] : labels) names.push_back(is_number(key) ? key : most_common(spellings));
    if (are_whole)
        std::ranges::sort(names, {}, [](const auto& name) { return *parse_whole(name); });
    else
        std::ranges::sort(names);
    if (are_whole && std::ranges::all_of(texts, has_point))
        out.warnings.push_back(fmt::format(
            "labels are whole numbers written with a point ({}): taken for classes; problem_type regression "
            "takes them for values",
            texts.front()));
    return out;
}

}  // namespace

std::string label_key(std::string_view text) {
    if (const auto value = parse_whole(text)) return std::to_string(*value);
    if (const auto value = parse_finite(text)) return fmt::format("{}", *value);
    return lower(trimmed(text));
}

bool is_no_value(std::string_view text) {
    const auto key = lower(trimmed(text));
    return key.empty() || key == "nan" || key == "<na>" || key == "nat";
}

InferredLabels infer_labels(Names texts, std::optional<ProblemType> wanted) {
    const auto odd = std::ranges::find_if_not(texts, is_number);
    if (wanted == ProblemType::regression && odd != texts.end())
        fail("problem_type regression: the label \"{}\" isn't a finite number", *odd);
    const bool are_values = odd == texts.end() && !std::ranges::all_of(texts, is_whole);
    if (wanted == ProblemType::regression || (!wanted && are_values)) return {{ProblemType::regression, {"score"}}};
    return classes_of(texts);
}

std::optional<std::string> odd_among_numbers(Names names) {
    const auto is_fraction = [](const auto& name) { return is_number(name) && !is_whole(name); };
    if (2 * std::ranges::count_if(names, is_fraction) <= std::ssize(names)) return std::nullopt;
    const auto odd = std::ranges::find_if_not(names, is_number);
    return odd == names.end() ? std::nullopt : std::optional(*odd);
}

bool are_placeholders(Names names) {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (names[i] != fmt::format("LABEL_{}", i)) return false;
    return !names.empty();
}

LabelFinder::LabelFinder(const Labels& labels, Names spellings)
    : problem_type_(labels.problem_type), spellings_(labels.names) {
    if (!spellings.empty()) spellings_.assign(spellings.begin(), spellings.end());
    if (problem_type_ == ProblemType::regression) return;
    if (are_placeholders(spellings_)) {
        for (std::size_t i = 0; i < spellings_.size(); ++i) by_key_.emplace(label_key(spellings_[i]), i);
        for (std::size_t i = 0; i < spellings_.size(); ++i) spellings_[i] = std::to_string(i);
    }
    for (std::size_t i = 0; i < spellings_.size(); ++i) {
        exact_.emplace(spellings_[i], i);
        const auto [found, is_new] = by_key_.emplace(label_key(spellings_[i]), i);
        if (!is_new && found->second != i) found->second = kAmbiguous;
    }
    takes_numbers_ = labels.have_numbers && std::ranges::none_of(spellings_, is_number);
}

std::optional<std::size_t> LabelFinder::find_class(const std::string& text) const {
    if (const auto found = exact_.find(text); found != exact_.end()) return found->second;
    if (const auto found = by_key_.find(label_key(text)); found != by_key_.end() && found->second != kAmbiguous)
        return found->second;
    const auto number = takes_numbers_ ? parse_whole(text) : std::nullopt;
    if (number && *number >= 0 && *number < std::ssize(spellings_)) return static_cast<std::size_t>(*number);
    return std::nullopt;
}

double LabelFinder::find(const std::string& text, const std::filesystem::path& file, const std::string& where) const {
    if (problem_type_ == ProblemType::regression) {
        if (const auto value = parse_finite(text)) return *value;
        throw InputError(file, where, fmt::format("the label \"{}\" isn't a finite number", text));
    }
    if (const auto found = find_class(text)) return static_cast<double>(*found);
    if (is_no_value(text)) throw InputError(file, where, fmt::format("the label is \"{}\", which is no value", text));
    constexpr std::size_t kMost = 20;
    const auto shown = Names(spellings_).first(std::min(kMost, spellings_.size()));
    throw InputError(file, where,
                     fmt::format("unknown label \"{}\", expected one of {}{}", text, fmt::join(shown, ", "),
                                 spellings_.size() > kMost ? ", ..." : ""));
}

namespace {

using Index = std::unordered_map<std::string, std::size_t>;

// The index of the names by their keys, or by themselves where keys are not enough to tell them apart.
std::optional<std::vector<std::size_t>> look_up(Names others, Names names, bool by_key) {
    Index index;
    for (std::size_t i = 0; i < others.size(); ++i)
        if (!index.emplace(by_key ? label_key(others[i]) : others[i], i).second) return std::nullopt;
    std::vector<std::size_t> places;
    std::set<std::size_t> taken;
    for (const auto& name : names) {
        const auto found = index.find(by_key ? label_key(name) : name);
        if (found == index.end() || !taken.insert(found->second).second) return std::nullopt;
        places.push_back(found->second);
    }
    return places;
}

// The numbers that names are, which say nothing else: 0 to size - 1, in any order.
std::optional<std::vector<std::size_t>> numbers_of(Names names) {
    std::vector<std::size_t> numbers(names.size());
    if (are_placeholders(names)) {
        std::iota(numbers.begin(), numbers.end(), 0);
        return numbers;
    }
    std::set<std::int64_t> seen;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto number = parse_whole(names[i]);
        if (!number || *number < 0 || *number >= std::ssize(names) || !seen.insert(*number).second) return std::nullopt;
        numbers[i] = static_cast<std::size_t>(*number);
    }
    return numbers;
}

std::vector<std::size_t> inverse(const std::vector<std::size_t>& numbers) {
    std::vector<std::size_t> places(numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) places[numbers[i]] = i;
    return places;
}

}  // namespace

std::optional<LabelPlaces> places_among(Names others, Names names) {
    for (const bool by_key : {false, true})
        if (auto places = look_up(others, names, by_key)) return LabelPlaces{std::move(*places)};
    if (others.size() != names.size() || names.empty()) return std::nullopt;
    if (auto numbers = numbers_of(names)) return LabelPlaces{std::move(*numbers), true};
    if (const auto numbers = numbers_of(others)) return LabelPlaces{inverse(*numbers), true};
    return std::nullopt;
}

}  // namespace moebert
