#include "growth/growth.h"
#include "io/support.h"
#include "recipe.h"

namespace moebert {
namespace {

class RecipeGrowth : public test::InFolder {
protected:
    void expect_linear(const std::string& name, std::size_t pieces,
                       const std::function<std::string(std::size_t)>& make) {
        test::expect_linear(pieces, make, [&](const std::string& text) {
            test::error_of([&] { cli::read_recipe(put(name, text).string()); });
        });
    }
};

TEST_F(RecipeGrowth, OfRecipesIsLinear) {
    expect_linear("a.json", 5'000, [](std::size_t n) {
        std::string text = "{\"a\": 1";
        for (std::size_t i = 0; i < n; ++i) text += fmt::format(", \"k{}\": {}", i, i);
        return text + "}";
    });
    expect_linear("a.toml", 5'000, [](std::size_t n) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i) text += fmt::format("k{} = {}\n", i, i);
        return text;
    });
    expect_linear("a.toml", 2'000, [](std::size_t n) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i) text += fmt::format("[s{}.a.b.c.d.e.f.g]\nk = [[1], \"\"]\n", i);
        return text;
    });
    expect_linear("a.toml", 5'000, [](std::size_t n) { return "[a" + std::string(n, '.') + "a]"; });
}

}  // namespace
}  // namespace moebert
