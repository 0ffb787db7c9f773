// What the tests of files share: a folder that goes away, files in it, and the text of an error.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <span>
#include <string>

#include "core/error.h"
#include "io/tensor.h"

namespace moebert::test {

inline const std::filesystem::path source_dir = MOEBERT_SOURCE_DIR;
inline const std::filesystem::path fixtures = source_dir / "tests/parity/fixtures";

class InFolder : public testing::Test {
protected:
    InFolder() {
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        std::random_device device;
        auto name = fmt::format("moebert-{}-{}-{:08x}", test->test_suite_name(), test->name(), device());
        std::ranges::replace(name, '/', '-');  // of tests with parameters
        folder = std::filesystem::temp_directory_path() / name;
        std::filesystem::create_directories(folder);
    }
    ~InFolder() override { std::filesystem::remove_all(folder); }

    std::filesystem::path put(const std::string& name, std::string_view content) const {
        std::ofstream(folder / name, std::ios::binary) << content;
        return folder / name;
    }

    std::filesystem::path folder;
};

inline std::string slurp(const std::filesystem::path& path) {
    std::ifstream input(path, std::ios::binary);
    EXPECT_TRUE(input) << path;
    return {std::istreambuf_iterator<char>(input), {}};
}

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// The message of the error that `action` throws; empty when it throws none. One line, whatever the input.
inline std::string error_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        return error.what();
    }
    return "";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

#define EXPECT_ERROR(statement, part) \
    EXPECT_PRED2(::moebert::test::contains, ::moebert::test::error_of([&] { statement; }), part)

inline bool same(const Tensor& a, const Tensor& b) {
    return a.dtype == b.dtype && a.shape == b.shape &&
           std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

inline bool same(const TensorMap& a, const TensorMap& b) {
    return std::ranges::equal(
        a, b, [](const auto& x, const auto& y) { return x.first == y.first && same(x.second, y.second); });
}

template <class T>
Tensor tensor(Shape shape, std::vector<T> values) {
    return Tensor::from<T>(std::move(shape), values);
}

// Every beginning of `content`, and copies with a few random bytes changed: `parse` may refuse them with an Error, and
// must neither crash nor throw anything else.
inline void try_damaged(const std::string& content, const std::function<void(std::string_view)>& parse) {
    const auto attempt = [&](const std::string& damaged) {
        try {
            parse(damaged);
        } catch (const Error&) {
            return true;
        }
        return false;
    };
    for (std::size_t size = 0; size < content.size(); ++size) {
        EXPECT_TRUE(attempt(content.substr(0, size))) << "cut to " << size << " of " << content.size() << " bytes";
    }
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
        std::string damaged = content;
        for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
            damaged[random() % damaged.size()] = static_cast<char>(random());
        }
        attempt(damaged);
    }
}

}  // namespace moebert::test
