// Questions as a model takes them: the question and a window of its context, several windows where it is long.
#pragma once

#include "tasks/features.h"
#include "tasks/squad.h"
#include "tasks/text_input.h"

namespace moebert {

struct Window {
    std::size_t question = 0;                           // in QuestionSet::questions
    std::size_t context_begin = 0;                      // the token where the context begins
    std::vector<std::array<std::uint32_t, 2>> offsets;  // of the context's tokens: [begin, end) in its characters
    std::size_t tokens = 0;                             // of the whole feature
};

// Feature i, [CLS] question [SEP] part of the context [SEP] (or as the tokenizer's template has it), is window i. It
// has a span where the question's answers are given and the first of them has a place in the context.
struct QuestionWindows {
    std::vector<Feature> features;
    std::vector<Window> windows;
};

struct WindowOptions {
    std::size_t doc_stride = 128;  // tokens that a window shares with the next
    bool for_training = false;     // questions whose answer has no place are left out
};

// 128 tokens, a third of the windows where that is less, and no more than they have room for.
std::size_t default_doc_stride(const TextInput& input);
// Throws a UsageError when max_seq_length has no room for them.
void check_windows(const TextInput& input, const WindowOptions& options);

// In the order of the questions, and of the windows of each. As Hugging Face's fast tokenizer makes them with
// truncation="only_second", return_overflowing_tokens and stride; a question that leaves no more than doc_stride tokens
// of max_seq_length for a context that doesn't fit is cut to leave one more. Whitespace before a question is dropped.
// Throws what check_windows() does. The same for any number of threads.
QuestionWindows make_windows(const QuestionSet& set, const TextInput& input, const WindowOptions& options);

}  // namespace moebert
