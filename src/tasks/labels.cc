#include "tasks/labels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "core/error.h"
#include "tasks/table.h"

namespace moebert {
namespace {

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
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

bool are_integers(const std::set<std::string>& texts) {
    return std::ranges::all_of(texts, [](const auto& text) { return parse_number<std::int64_t>(text).has_value(); });
}

bool are_numbers(const std::set<std::string>& texts) {
    return std::ranges::all_of(texts, [](const auto& text) { return parse_finite(text).has_value(); });
}

}  // namespace

Labels infer_labels(std::span<const std::string> texts) {
    const std::set<std::string> different(texts.begin(), texts.end());
    if (!are_integers(different)) {
        if (are_numbers(different)) return {ProblemType::regression, {"score"}};
        return {ProblemType::classification, {different.begin(), different.end()}};
    }
    std::set<std::int64_t> values;
    for (const std::string& text : different) values.insert(*parse_number<std::int64_t>(text));
    Labels labels;
    for (const std::int64_t value : values) labels.names.push_back(std::to_string(value));
    return labels;
}

std::optional<std::string> odd_among_numbers(std::span<const std::string> names) {
    const auto is_fraction = [](const auto& name) { return parse_finite(name) && !parse_number<std::int64_t>(name); };
    if (2 * std::ranges::count_if(names, is_fraction) <= std::ssize(names)) return std::nullopt;
    const auto odd = std::ranges::find_if_not(names, [](const auto& name) { return parse_finite(name).has_value(); });
    return odd == names.end() ? std::nullopt : std::optional(*odd);
}

double parse_label(const std::string& text, const Labels& labels, std::span<const std::string> spellings,
                   const std::filesystem::path& file, std::size_t line) {
    if (labels.problem_type == ProblemType::regression) {
        if (const auto value = parse_finite(text)) return *value;
        throw InputError(file, at_line(line), fmt::format("the label \"{}\" isn't a finite number", text));
    }
    auto found = std::ranges::find(spellings, text);
    if (const auto value = parse_number<std::int64_t>(text); value && found == spellings.end()) {
        found = std::ranges::find(spellings, std::to_string(*value));  // "01" or "+1"
        const bool is_index = labels.have_numbers && *value >= 0 && *value < std::ssize(spellings);
        if (is_index &&
            std::ranges::none_of(spellings, [](const auto& name) { return parse_finite(name).has_value(); }))
            return static_cast<double>(*value);
    }
    if (found != spellings.end()) return static_cast<double>(found - spellings.begin());
    throw InputError(file, at_line(line),
                     fmt::format("unknown label \"{}\", expected one of {}", text, fmt::join(spellings, ", ")));
}

}  // namespace moebert
