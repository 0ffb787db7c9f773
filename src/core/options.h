// Option structs describe themselves: for each there is one function
//
//     template <class Visitor> void describe(Visitor& visit, FinetuneOptions& options);
//
// that calls visit("name", field, "help", {"alias", ...}) for every field. The default is the field's own initial
// value. From this one description come the command line, --help, configuration files and the JSON record of a run.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace moebert {

using Aliases = std::initializer_list<const char*>;

class JsonWriter {
public:
    explicit JsonWriter(nlohmann::json& out) : out_(out) {}

    template <class T>
    void operator()(const char* name, const T& value, const char* /*help*/, Aliases /*aliases*/ = {}) {
        out_[name] = value;
    }
    template <class T>
    void operator()(const char* name, const std::optional<T>& value, const char* /*help*/, Aliases /*aliases*/ = {}) {
        out_[name] = value ? nlohmann::json(*value) : nlohmann::json(nullptr);
    }

private:
    nlohmann::json& out_;
};

// All fields by name, for the record of a run.
template <class Options>
nlohmann::json options_to_json(const Options& options) {
    nlohmann::json out;
    JsonWriter writer(out);
    describe(writer, const_cast<Options&>(options));  // the writer only reads
    return out;
}

}  // namespace moebert
