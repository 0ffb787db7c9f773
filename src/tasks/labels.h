// The labels of a file's rows: what they are, when two of them are one, and their numbers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tasks/task.h"

namespace moebert {

// What two labels have in common that are one: whitespace around them doesn't count, nor case, and numbers are equal
// where their values are ("1", " 1", "1.0" and "+1"; "True" and "true").
std::string label_key(std::string_view text);

// A file's labels as texts, one for each row, and what they were taken for.
struct InferredLabels {
    Labels labels;
    std::vector<std::string> warnings = {};  // where other readings were possible
};

// Numbers of which one has a fraction are a regression. Whole numbers, sorted by value, or else texts, sorted by their
// characters, are the names of classes; each is spelled as most of its rows spell it. A problem type that is given
// decides otherwise. Throws an Error for labels that are no numbers where a regression is wanted.
InferredLabels infer_labels(std::span<const std::string> texts, std::optional<ProblemType> wanted = std::nullopt);

// Nothing, or what tools write where there is no value: "nan".
bool is_no_value(std::string_view text);

// The first name that is no finite number, where most of the others are numbers with a fraction: values of a regression
// with a mistake among them look like this.
std::optional<std::string> odd_among_numbers(std::span<const std::string> names);

// Hugging Face's placeholders LABEL_0, LABEL_1, ... in this order.
bool are_placeholders(std::span<const std::string> names);

// Looks labels up by their texts. Where names are placeholders, files spell LABEL_3 as 3.
class LabelFinder {
public:
    // `spellings` are those of the classes in files, in order; the labels' names where none are given.
    explicit LabelFinder(const Labels& labels, std::span<const std::string> spellings = {});

    // The class's number, or the value of a regression; an InputError at `where` when it is none.
    double find(const std::string& text, const std::filesystem::path& file, const std::string& where) const;

private:
    std::optional<std::size_t> find_class(const std::string& text) const;

    ProblemType problem_type_;
    std::vector<std::string> spellings_;
    std::unordered_map<std::string, std::size_t> exact_, by_key_;
    bool takes_numbers_ = false;  // of classes, because no spelling is a number
};

// Where each of `names` stands among `others`, and whether only numbers could tell because one side's names say nothing
// (placeholders, or numbers). Nothing where one has no place.
struct LabelPlaces {
    std::vector<std::size_t> places;
    bool by_number = false;
};
std::optional<LabelPlaces> places_among(std::span<const std::string> others, std::span<const std::string> names);

}  // namespace moebert
