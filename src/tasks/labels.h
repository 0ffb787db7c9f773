// The labels of a file's rows: what they are, and their numbers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tasks/task.h"

namespace moebert {

// As run_glue decides: numbers of which one isn't an integer are a regression; integers, sorted by value, or else
// texts, sorted by their characters, are the names of classes.
Labels infer_labels(std::span<const std::string> texts);

// The first name that is no finite number, where most of the others are numbers with a fraction: values of a regression
// with a mistake among them look like this.
std::optional<std::string> odd_among_numbers(std::span<const std::string> names);

// The class whose spelling is `text`, or its number for regression; an InputError at `line` when it is none.
// `spellings` are those of the classes, in order.
double parse_label(const std::string& text, const Labels& labels, std::span<const std::string> spellings,
                   const std::filesystem::path& file, std::size_t line);

}  // namespace moebert
