// Windows of questions as JSON lines: what `moebert tokenize --task_name squad` prints.
#pragma once

#include <iosfwd>

#include "tasks/squad_features.h"

namespace moebert {

// For every window {"id", "input_ids", "token_type_ids", "offsets"}: the question's id, and for each token of the
// context [begin, end) in its characters, null for the others; and "start_position" and "end_position", tokens, where
// the answer is known. Throws an Error when `out` fails.
void write_windows(std::ostream& out, const QuestionSet& set, const QuestionWindows& made);

}  // namespace moebert
