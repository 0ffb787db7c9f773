#include "tasks/squad_features.h"

#include <algorithm>
#include <iterator>

#include "core/error.h"
#include "core/parallel.h"
#include "core/utf8.h"
#include "text/unicode.h"

namespace moebert {
namespace {

std::string_view without_leading_space(std::string_view text) {
    while (!text.empty()) {
        const auto first = decode_utf8(text, 0);
        if (!is_whitespace(first.code_point)) break;
        text.remove_prefix(first.bytes);
    }
    return text;
}

// Windows [begin, end) over `size` tokens, each of `room` at most, that share `stride` with the next one.
std::vector<std::array<std::size_t, 2>> cut_windows(std::size_t size, std::size_t room, std::size_t stride) {
    std::vector<std::array<std::size_t, 2>> windows;
    std::size_t begin = 0;
    do {
        windows.push_back({begin, std::min(begin + room, size)});
        begin += room - stride;
    } while (windows.back()[1] < size);
    return windows;
}

class WindowMaker {
public:
    WindowMaker(const QuestionSet& set, const TextInput& input, const WindowOptions& options)
        : set_(set), input_(input), options_(options) {
        check_windows(input, options);
        const auto& pieces = input.tokenizer.pair_template();
        room_ = static_cast<std::size_t>(input.max_seq_length) - count_special_tokens(pieces);
        before_context_ = special_tokens_before(pieces, TemplatePiece::Kind::second);
    }

    QuestionWindows windows_of(std::size_t index, const Encoding& context) const {
        const auto& question = set_.questions[index];
        if (options_.for_training && !has_span(question)) return {};
        auto ids = input_.tokenizer.encode_plain(without_leading_space(question.question)).input_ids;
        const auto size = context.input_ids.size();
        if (ids.size() + size > room_) ids.resize(std::min(ids.size(), room_ - options_.doc_stride - 1));
        QuestionWindows made;
        for (const auto& [begin, end] : cut_windows(size, room_ - ids.size(), options_.doc_stride)) {
            made.features.push_back(make_feature(ids, slice(context.input_ids, begin, end)));
            made.windows.push_back({index, ids.size() + before_context_, slice(context.offsets, begin, end),
                                    made.features.back().input_ids.size()});
            if (has_span(question)) made.features.back().span = span_of(question, made.windows.back());
        }
        return made;
    }

private:
    // Whether it is known what the model should say: the first answer's place, or that there is none.
    bool has_span(const Question& question) const {
        return set_.is_labelled && (question.answers.empty() || question.answers.front().start != Answer::unknown);
    }

    template <class T>
    static std::vector<T> slice(const std::vector<T>& values, std::size_t begin, std::size_t end) {
        return {values.begin() + static_cast<std::ptrdiff_t>(begin), values.begin() + static_cast<std::ptrdiff_t>(end)};
    }

    Feature make_feature(const std::vector<std::int32_t>& question, const std::vector<std::int32_t>& context) const {
        auto encoding = input_.tokenizer.join(question, context);
        return {std::move(encoding.input_ids), std::move(encoding.token_type_ids), {}};
    }

    // The tokens that hold the first answer; the [CLS] where the window has not all of it.
    static std::array<std::int32_t, 2> span_of(const Question& question, const Window& window) {
        if (question.answers.empty() || window.offsets.empty()) return {0, 0};
        const auto& answer = question.answers.front();
        const auto begin = static_cast<std::uint32_t>(answer.start);
        const auto end = begin + static_cast<std::uint32_t>(count_characters(answer.text));
        const auto& offsets = window.offsets;
        if (offsets.front()[0] > begin || offsets.back()[1] < end) return {0, 0};
        std::size_t first = 0, last = offsets.size() - 1;
        while (first + 1 < offsets.size() && offsets[first + 1][0] <= begin) ++first;
        while (last > 0 && offsets[last - 1][1] >= end) --last;
        return {static_cast<std::int32_t>(window.context_begin + first),
                static_cast<std::int32_t>(window.context_begin + last)};
    }

    const QuestionSet& set_;
    const TextInput& input_;
    const WindowOptions& options_;
    std::size_t room_ = 0;  // for question and context
    std::size_t before_context_ = 0;
};

}  // namespace

namespace {

// Beside what windows share: a question and what is new need a token each, and the special tokens theirs.
std::int64_t least_length(const TextInput& input) {
    return 2 + static_cast<std::int64_t>(count_special_tokens(input.tokenizer.pair_template()));
}

}  // namespace

std::size_t default_doc_stride(const TextInput& input) {
    const auto most = input.max_seq_length - least_length(input);
    constexpr std::int64_t kUsual = 128;
    return static_cast<std::size_t>(std::clamp<std::int64_t>(most, 0, std::min(kUsual, input.max_seq_length / 3)));
}

void check_windows(const TextInput& input, const WindowOptions& options) {
    const auto least = least_length(input);
    const auto most = input.max_seq_length - least;
    if (most < 0) fail_usage("max_seq_length: {} given; questions need at least {}", input.max_seq_length, least);
    if (options.doc_stride > static_cast<std::size_t>(most))
        fail_usage(
            "doc_stride: {} given; at most {} tokens can be shared by windows of max_seq_length {} (a question and "
            "what is new need one each, the special tokens {})",
            options.doc_stride, most, input.max_seq_length, least - 2);
}

QuestionWindows make_windows(const QuestionSet& set, const TextInput& input, const WindowOptions& options) {
    check_pairs(input, set.file);
    if (input.tokenizer.settings().truncation_side == TruncationSide::left)
        throw InputError(set.file, "", "questions can't be cut into windows with truncation_side left");
    const WindowMaker maker(set, input, options);
    std::vector<Encoding> contexts(set.contexts.size());
    in_parallel(contexts.size(), input.threads,
                [&](std::size_t i) { contexts[i] = input.tokenizer.encode_plain(set.contexts[i], true); });
    std::vector<QuestionWindows> parts(set.questions.size());
    in_parallel(parts.size(), input.threads,
                [&](std::size_t i) { parts[i] = maker.windows_of(i, contexts[set.questions[i].context]); });
    QuestionWindows all;
    for (auto& part : parts) {
        std::ranges::move(part.features, std::back_inserter(all.features));
        std::ranges::move(part.windows, std::back_inserter(all.windows));
    }
    check_tokens(all.features, input, set.file);
    return all;
}

}  // namespace moebert
