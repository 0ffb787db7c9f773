// Recipes: files of options, in JSON or TOML.
#pragma once

#include <string>
#include <vector>

namespace moebert::cli {

struct RecipeItem {
    std::string name;  // as the file spells it
    std::string value;
};

// By the file's ending: .json, or else TOML, whose [sections] are headings only. A null of JSON is as good as no key.
// Where an option takes several values with commas between them, the file may have a list. An InputError that names the
// line or the key.
std::vector<RecipeItem> read_recipe(const std::string& file);

}  // namespace moebert::cli
