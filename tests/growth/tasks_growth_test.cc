#include <fmt/format.h>

#include "growth/growth.h"
#include "io/support.h"
#include "tasks/labels.h"
#include "tasks/reader.h"
#include "tasks/squad.h"
#include "tasks/squad_metrics.h"

namespace moebert {
namespace {

class TasksGrowth : public test::InFolder {
protected:
    // Of reading a file of that name.
    template <class Make, class Read>
    void expect_linear(const std::string& name, std::size_t pieces, Make make, Read read) {
        test::expect_linear(pieces, make, [&](const std::string& text) { read(put(name, text)); });
    }
};

std::string repeated(std::size_t times, const std::function<std::string(std::size_t)>& piece) {
    std::string text;
    for (std::size_t i = 0; i < times; ++i) text += piece(i);
    return text;
}

std::string question(std::size_t id, const std::string& answer, std::size_t start) {
    return fmt::format(R"({{"id": "{}", "question": "q", "answers": [{{"text": "{}", "answer_start": {}}}]}})", id,
                       answer, start);
}

// One context of so many words, and a question of each.
std::string one_paragraph(std::size_t words, std::size_t shift) {
    std::string context, questions;
    for (std::size_t i = 0; i < words; ++i) {
        const auto word = fmt::format("w{}x", i);
        questions += (i == 0 ? "" : ", ") + question(i, word, context.size() + shift);
        context += word + " ";
    }
    return fmt::format(R"({{"data": [{{"paragraphs": [{{"context": "{}", "qas": [{}]}}]}}]}})", context, questions);
}

TEST_F(TasksGrowth, OfSquadIsLinearInAnswersOfAContext) {
    for (const std::size_t shift : {0U, 3U})
        expect_linear(
            "a.json", 4'000, [&](std::size_t n) { return one_paragraph(n, shift); },
            [&](const auto& file) { EXPECT_EQ(read_squad(file).mended.empty(), shift == 0); });
}

TEST_F(TasksGrowth, OfSquadIsLinearInArticles) {
    expect_linear(
        "a.json", 10'000,
        [](std::size_t n) {
            const auto article = [](std::size_t i) {
                return fmt::format(
                    R"({}{{"paragraphs": [{{"context": "c", "qas": [{{"id": "{}", "question": "q"}}]}}]}})",
                    i == 0 ? "" : ",", i);
            };
            return "{\"data\": [" + repeated(n, article) + "]}";
        },
        [](const auto& file) { read_squad(file); });
}

TEST_F(TasksGrowth, OfSquadIsLinearInRows) {
    const auto row = [](std::size_t i) {
        return fmt::format(R"({{"id": "{}", "question": "q", "context": "c{}"}})", i, i);
    };
    expect_linear(
        "a.jsonl", 5'000, [&](std::size_t n) { return repeated(n, [&](auto i) { return row(i) + "\n"; }); },
        [](const auto& file) { read_squad(file); });
    expect_linear(
        "a.json", 5'000,
        [&](std::size_t n) {
            return "{\"data\": [" + repeated(n, [&](auto i) { return (i == 0 ? "" : ",") + row(i); }) + "]}";
        },
        [](const auto& file) { read_squad(file); });
}

TEST_F(TasksGrowth, OfPredictionsIsLinearInIds) {
    expect_linear(
        "a.json", 10'000,
        [](std::size_t n) {
            return "{" + repeated(n, [](auto i) { return fmt::format("{}\"{}\": \"x\"", i == 0 ? "" : ",", i); }) + "}";
        },
        [](const auto& file) { read_predictions(file); });
}

TEST_F(TasksGrowth, OfTablesIsLinearInRows) {
    const auto rows = [](const std::string& header, const auto& row) {
        return [=](std::size_t n) { return header + repeated(n, row); };
    };
    const auto read = [](const auto& file) { test::error_of([&] { read_examples(file); }); };
    for (const auto* name : {"a.csv", "a.tsv"}) {
        const std::string comma = name[2] == 'c' ? "," : "\t";
        const auto header = "sentence1" + comma + "label\n";
        expect_linear(name, 5'000, rows(header, [&](auto i) { return fmt::format("a b{}{}\n", comma, i % 2); }), read);
        // A label of its own for each row.
        expect_linear(name, 5'000, rows(header, [&](auto i) { return fmt::format("a b{}l{}\n", comma, i); }), read);
        expect_linear(name, 20'000, rows(header + "a" + comma + "b\n", [](auto) { return std::string("\n"); }), read);
        expect_linear(name, 5'000, rows("a", [&](auto i) { return fmt::format("{}c{}", comma, i); }), read);
    }
    expect_linear("a.csv", 5'000, rows("a,label\n\"", [](auto) { return std::string("\"\"\n"); }), read);
}

TEST_F(TasksGrowth, OfJsonRowsIsLinearInRowsAndKeys) {
    const auto read = [](const auto& file) { test::error_of([&] { read_examples(file); }); };
    const auto row = [](std::size_t i) { return fmt::format(R"({{"sentence1": "a b", "label": "l{}"}})", i); };
    const auto list = [&](std::size_t n, const auto& piece) {
        return "[" + repeated(n, [&](auto i) { return (i == 0 ? "" : ",") + piece(i); }) + "]";
    };
    expect_linear(
        "a.jsonl", 5'000, [&](auto n) { return repeated(n, [&](auto i) { return row(i) + "\n"; }); }, read);
    expect_linear(
        "a.json", 5'000, [&](auto n) { return list(n, row); }, read);
    const auto odd_row = [](std::size_t i) { return fmt::format(R"({{"sentence1": "a", "k{}": 1}})", i); };
    expect_linear(
        "a.jsonl", 8'000, [&](auto n) { return repeated(n, [&](auto i) { return odd_row(i) + "\n"; }); }, read);
    expect_linear(
        "a.json", 8'000, [&](auto n) { return list(n, odd_row); }, read);
    const auto sparse_row = [](std::size_t i) { return fmt::format(R"({{"sentence1": "a", "k{}": 1}})", i % 200); };
    expect_linear(
        "a.json", 2'000, [&](auto n) { return list(n, sparse_row); }, read);
    expect_linear(
        "a.jsonl", 8'000,
        [&](auto n) {
            return "{" + repeated(n, [](auto i) { return fmt::format("{}\"k{}\": 1", i == 0 ? "" : ",", i); }) + "}";
        },
        read);
}

TEST_F(TasksGrowth, OfFindingLabelsIsLinear) {
    test::expect_linear(
        5'000, [](std::size_t n) { return repeated(n, [](auto i) { return fmt::format("label {}\n", i); }); },
        [](const std::string& text) {
            std::vector<std::string> names;
            std::istringstream lines(text);
            for (std::string line; std::getline(lines, line);) names.push_back(line);
            const LabelFinder finder({ProblemType::classification, names}, names);
            for (std::size_t i = 0; i < names.size(); ++i)
                EXPECT_EQ(finder.find(names[i], "file", ""), static_cast<double>(i));
            std::ranges::reverse(names);
            EXPECT_TRUE(places_among(names, names));
        });
}

}  // namespace
}  // namespace moebert
