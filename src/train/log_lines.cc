#include "train/log_lines.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/json.h"

namespace moebert {
namespace {

bool is_up_to(std::string_view line, std::int64_t last) try {
    const auto value = parse_json(line, "train_log.jsonl");
    if (!value.is_object() || !value.contains("step")) return false;
    const auto& step = value["step"];
    const bool is_final = value.contains("event") && value["event"] == kFinalEvent;
    return step.is_number() && step <= last && !is_final;
} catch (const InputError&) {
    return false;
}

}  // namespace

std::string lines_up_to(std::string_view log, std::int64_t last) {
    std::string kept;
    for (std::size_t begin = 0; begin < log.size();) {
        const auto end = std::min(log.find('\n', begin), log.size());
        const auto line = log.substr(begin, end - begin);
        if (is_up_to(line, last)) kept.append(line).append("\n");
        begin = end + 1;
    }
    return kept;
}

}  // namespace moebert
