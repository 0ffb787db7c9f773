#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "tasks/labels.h"
#include "tasks/reader.h"
#include "tasks/table.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;

// A part of a split: the dataset's name and its official file.
struct Part {
    std::string name;
    std::string file;
};

std::vector<Part> official_parts(const TaskInfo& task, Split split) {
    const std::string name = to_string(split);
    if (split == Split::train) return {{name, "train.tsv"}};
    const std::string stem = split == Split::validation ? "dev" : "test";
    if (task.name != "mnli") return {{name, stem + ".tsv"}};
    return {{name + "_matched", stem + "_matched.tsv"}, {name + "_mismatched", stem + "_mismatched.tsv"}};
}

// Samples of MNLI have one undivided file.
std::vector<Part> undivided_part(Split split) {
    if (split == Split::train) return {};
    return {{to_string(split), split == Split::validation ? "dev.tsv" : "test.tsv"}};
}

// Those of a split that are there, with the folder before their files: the first place that has one counts.
std::vector<Part> find_parts(const TaskInfo& task, const fs::path& data_dir, Split split) {
    for (const auto& parts : {official_parts(task, split), undivided_part(split)}) {
        for (const fs::path& dir : {data_dir, data_dir / task.folder, data_dir / task.name}) {
            std::vector<Part> found;
            for (const auto& part : parts)
                if (fs::is_regular_file(dir / part.file)) found.push_back({part.name, dir / part.file});
            if (!found.empty()) return found;
        }
    }
    return {};
}

// CoLA's train and dev files have no header: source, label, the author's mark, sentence.
void give_header_to_cola(Table& table) {
    if (table.find_column("sentence")) return;
    table.rows.insert(table.rows.begin(), Row{std::move(table.header), 1});
    table.header = {"source", "label", "mark", "sentence"};
}

std::size_t require_column(const Table& table, const std::string& name) {
    if (const auto column = table.find_column(name)) return *column;
    throw InputError(table.file, at_line(1),
                     fmt::format("the header lacks the column \"{}\", found {}", name, fmt::join(table.header, ", ")));
}

Columns official_columns(const Table& table, const TaskInfo& task) {
    Columns columns{require_column(table, task.sentence1_column), {}, table.find_column(task.label_column)};
    if (task.sentence2_column) columns.sentence2 = require_column(table, *task.sentence2_column);
    return columns;
}

Example read_example(const Table& table, Row& row, const LabelFinder& finder, const Columns& columns) {
    Example example;
    if (columns.label) example.label = finder.find(row.cells[*columns.label], table.file, table.place(row.line));
    example.sentence1 = std::move(row.cells[columns.sentence1]);
    if (columns.sentence2) example.sentence2 = std::move(row.cells[*columns.sentence2]);
    return example;
}

}  // namespace

Dataset read_glue_file(const TaskInfo& task, const fs::path& file, LabelUse use) {
    Table table = parse_tsv(file, read_dataset_text(file));
    if (task.name == "cola") give_header_to_cola(table);
    Columns columns = official_columns(table, task);
    if (use == LabelUse::ignored) columns.label.reset();
    Dataset dataset{file.stem().string(), file, {}, task.labels};
    const LabelFinder finder(task.labels, task.label_values);
    for (Row& row : table.rows) {
        if (task.name == "qqp" && row.cells.size() < table.header.size()) {
            ++dataset.skipped_rows;
            continue;
        }
        check_row_width(table, row);
        dataset.examples.push_back(read_example(table, row, finder, columns));
    }
    if (dataset.examples.empty()) throw InputError(file, "", "has a header but no rows");
    return dataset;
}

std::vector<Dataset> read_glue(const TaskInfo& task, const fs::path& data_dir, Split split, LabelUse use) {
    std::vector<Dataset> datasets;
    for (const auto& part : find_parts(task, data_dir, split)) {
        datasets.push_back(read_glue_file(task, part.file, use));
        datasets.back().name = part.name;
    }
    if (datasets.empty())
        throw InputError(
            data_dir, "",
            fmt::format("has no {} of {}, neither there nor in {}", official_parts(task, split).front().file, task.name,
                        (data_dir / task.folder).string()));
    return datasets;
}

bool has_glue(const TaskInfo& task, const fs::path& data_dir, Split split) {
    return !find_parts(task, data_dir, split).empty();
}

}  // namespace moebert
