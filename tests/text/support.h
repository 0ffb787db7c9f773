// The small vocabulary and the golden cases of tests/text/data, made by tests/text/make_golden.py.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace moebert::test {

inline const std::filesystem::path text_data = std::filesystem::path(MOEBERT_SOURCE_DIR) / "tests/text/data";

// Real data that is not part of the repository; tests that need it are skipped where it is missing.
inline std::filesystem::path shared_data() {
    const char* given = std::getenv("MOEBERT_SHARED");
    const std::filesystem::path shared =
        given ? std::filesystem::path(given) : std::filesystem::path(MOEBERT_SOURCE_DIR) / ".." / "shared";
    return shared / "data";
}

inline std::vector<std::string> read_lines_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

inline std::vector<std::string> small_vocabulary() { return read_lines_of(text_data / "vocab.txt"); }

struct GoldenCase {
    nlohmann::json settings;
    std::string text;
    std::optional<std::string> pair;
    std::size_t max_length;
    Encoding expected;
};

inline std::vector<GoldenCase> golden_cases(const std::string& name) {
    std::vector<GoldenCase> cases;
    for (const std::string& line : read_lines_of(text_data / name)) {
        const auto json = nlohmann::json::parse(line);
        GoldenCase golden{json["settings"], json["text"], {}, Tokenizer::no_limit, {}};
        if (!json["pair"].is_null()) golden.pair = json["pair"].get<std::string>();
        if (!json["max_length"].is_null()) golden.max_length = json["max_length"];
        golden.expected = {json["ids"], json["types"], json["offsets"]};
        cases.push_back(std::move(golden));
    }
    return cases;
}

inline void expect_equal(const Encoding& encoding, const GoldenCase& golden) {
    EXPECT_EQ(encoding.input_ids, golden.expected.input_ids) << golden.text << ' ' << golden.settings;
    EXPECT_EQ(encoding.token_type_ids, golden.expected.token_type_ids) << golden.text;
    EXPECT_EQ(encoding.offsets, golden.expected.offsets) << golden.text << ' ' << golden.settings;
}

}  // namespace moebert::test
