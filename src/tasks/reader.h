// Reads datasets: the official GLUE files, any csv / tsv / json lines with named columns, and plain lines.
//
// All files are UTF-8, with or without a byte-order mark, with LF or CRLF line ends. Bytes that are no UTF-8, a row
// with too few columns, an unknown label or a file without rows is an InputError that names file and line.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "tasks/columns.h"
#include "tasks/task.h"

namespace moebert {

enum class Split { train, validation, test };

// Whether a column of labels is looked at. Where it is not, it may hold anything.
enum class LabelUse { read, ignored };

std::string to_string(Split split);          // "validation"
Split parse_split(const std::string& name);  // also "dev"; throws a UsageError naming the three

// The datasets of a split: one, but for MNLI's validation and test, which have two parts, matched first (Dataset::name
// tells them apart; a part is left out when its file is missing and the other's is not). `data_dir` is the task's
// folder or the one above it (data_dir/RTE). Test files have no labels.
std::vector<Dataset> read_glue(const TaskInfo& task, const std::filesystem::path& data_dir, Split split,
                               LabelUse use = LabelUse::read);

// Whether read_glue() finds a file.
bool has_glue(const TaskInfo& task, const std::filesystem::path& data_dir, Split split);

// One file in a GLUE task's official layout; without labels where it has no label column. Tab separated without
// quoting: a bare " is text. QQP rows with fewer columns than the header are skipped, as the benchmark's own readers
// do.
Dataset read_glue_file(const TaskInfo& task, const std::filesystem::path& file, LabelUse use = LabelUse::read);

// A file with named columns, by its ending .csv (RFC 4180), .tsv (no quoting), .json or .jsonl (one object a line).
struct ReadOptions {
    LabelUse use = LabelUse::read;
    ColumnNames columns = {};
    std::optional<ProblemType> problem_type = {};  // of labels that the file has to tell; absent: by their values
};

// A table with named columns. Texts: sentence1 (and sentence2), or pairs and single texts as data sets commonly call
// them; else the only column that is neither labels, an index, lists nor numbers. More than one such column is an error
// that asks for text_column_names. Labels: the column label, or else the only one that has another of its common names.
// With `labels` given the file must fit them (see LabelFinder); without them the file decides (see infer_labels).
Dataset read_examples(const std::filesystem::path& file, const std::optional<Labels>& labels = std::nullopt,
                      const ReadOptions& options = {});

// Unlabelled examples, one a line: sentence1[<TAB>sentence2]. All lines or none have a tab; `name` stands in errors.
// JSON is understood as in a file, with columns as above.
Dataset read_lines(std::istream& in, const std::string& name = "standard input", const ColumnNames& columns = {});

}  // namespace moebert
