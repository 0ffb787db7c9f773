#include "moebert/c.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "api/model.h"
#include "core/error.h"

struct moebert_model {
    moebert::Model model;
};

namespace {

void put(const char* text, char* error, std::size_t size) {
    if (error == nullptr || size == 0) return;
    const auto length = std::min(std::strlen(text), size - 1);
    std::memcpy(error, text, length);
    error[length] = '\0';
}

const char* needed(const char* text, const char* name) {
    if (text == nullptr) moebert::fail_usage("{}: NULL given, where a text is expected", name);
    return text;
}

// 0, or 1 and the error's text.
template <class Action>
int guarded(char* error, std::size_t size, Action action) {
    try {
        action();
        return 0;
    } catch (const std::exception& failure) {
        put(failure.what(), error, size);
    } catch (...) {
        put("unknown error", error, size);
    }
    return 1;
}

moebert::LoadOptions load_options(const moebert_options& given) {
    moebert::LoadOptions out;
    if (given.precision) out.precision = given.precision;
    out.threads = given.threads;
    out.max_seq_length = given.max_seq_length;
    out.doc_stride = given.doc_stride;
    if (given.max_answer_length != 0) out.max_answer_length = given.max_answer_length;
    out.version_2_with_negative = given.version_2_with_negative != 0;
    out.null_score_diff_threshold = given.null_score_diff_threshold;
    return out;
}

// The byte where the character begins; the text is valid UTF-8, since a model has read it.
std::size_t byte_of(const char* text, std::int64_t character) {
    const char* at = text;
    for (; character > 0 && *at != '\0'; --character) do
            ++at;
        while ((static_cast<unsigned char>(*at) & 0xC0U) == 0x80U);
    return static_cast<std::size_t>(at - text);
}

}  // namespace

const char* moebert_version(void) { return moebert::version(); }

moebert_model* moebert_load(const char* directory, const moebert_options* options, char* error, size_t error_size) {
    moebert_model* out = nullptr;
    guarded(error, error_size, [&] {
        out = new moebert_model{
            moebert::Model::load(needed(directory, "directory"), load_options(options ? *options : moebert_options{}))};
    });
    return out;
}

void moebert_free(moebert_model* model) { delete model; }

moebert_kind moebert_model_kind(const moebert_model* model) {
    switch (model->model.kind()) {
        case moebert::ModelKind::regression:
            return MOEBERT_REGRESSION;
        case moebert::ModelKind::question_answering:
            return MOEBERT_QUESTION_ANSWERING;
        default:
            return MOEBERT_CLASSIFICATION;
    }
}

int moebert_max_seq_length(const moebert_model* model) { return model->model.max_seq_length(); }

size_t moebert_label_count(const moebert_model* model) { return model->model.labels().size(); }

const char* moebert_label(const moebert_model* model, size_t index) {
    const auto& labels = model->model.labels();
    return index < labels.size() ? labels[index].c_str() : nullptr;
}

int moebert_classify(const moebert_model* model, const char* const* texts, const char* const* pairs, size_t count,
                     double* scores, char* error, size_t error_size) {
    return guarded(error, error_size, [&] {
        std::vector<moebert::Input> inputs;
        for (std::size_t i = 0; i < count; ++i)
            inputs.push_back({needed(texts[i], "texts"), pairs && pairs[i] ? pairs[i] : ""});
        for (const auto& prediction : model->model.classify(inputs)) {
            if (prediction.probabilities.empty())
                *scores++ = prediction.score;
            else
                scores = std::ranges::copy(prediction.probabilities, scores).out;
        }
    });
}

int moebert_find_answers(const moebert_model* model, const char* const* questions, const char* const* contexts,
                         size_t count, moebert_answer* answers, char* error, size_t error_size) {
    return guarded(error, error_size, [&] {
        std::vector<moebert::Query> queries;
        for (std::size_t i = 0; i < count; ++i)
            queries.push_back({needed(questions[i], "questions"), needed(contexts[i], "contexts")});
        const auto found = model->model.answer(queries);
        for (std::size_t i = 0; i < count; ++i) {
            const auto& best = found[i].front();
            answers[i] = {best.score, best.begin, best.end, byte_of(contexts[i], best.begin),
                          byte_of(contexts[i], best.end)};
        }
    });
}
