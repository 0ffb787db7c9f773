// Recipes, in JSON and TOML.
#include "recipe.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    for (const char* name : {"input.json", "input.toml"})
        fuzz::allow_errors([&] { cli::read_recipe(fuzz::put(name, fuzz::text_of(data, size)).string()); });
    return 0;
}
