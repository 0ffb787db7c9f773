#include "tasks/window_lines.h"

#include <ostream>

#include "core/error.h"
#include "core/json_append.h"
#include "core/json_text.h"

namespace moebert {
namespace {

void append_offsets(std::string& out, const Window& window, std::size_t tokens) {
    out += "\"offsets\": [";
    for (std::size_t t = 0; t < tokens; ++t) {
        if (t > 0) out += ", ";
        const bool in_context = t >= window.context_begin && t - window.context_begin < window.offsets.size();
        in_context ? append_offset(out, window.offsets[t - window.context_begin]) : void(out += "null");
    }
    out += ']';
}

}  // namespace

void write_windows(std::ostream& out, const QuestionSet& set, const QuestionWindows& made) {
    std::string line;
    const auto number = [&](auto value) { append_number(line, static_cast<std::uint32_t>(value)); };
    for (std::size_t i = 0; i < made.windows.size(); ++i) {
        const auto& feature = made.features[i];
        line = "{\"id\": " + json_text(nlohmann::json(set.questions[made.windows[i].question].id)) + ", ";
        append_list(line, "input_ids", feature.input_ids, number);
        line += ", ";
        append_list(line, "token_type_ids", feature.token_type_ids, number);
        line += ", ";
        append_offsets(line, made.windows[i], feature.input_ids.size());
        if (feature.span)
            line +=
                fmt::format(", \"start_position\": {}, \"end_position\": {}", (*feature.span)[0], (*feature.span)[1]);
        out << line << "}\n";
    }
    if (!out) fail("the windows can't be written");
}

}  // namespace moebert
