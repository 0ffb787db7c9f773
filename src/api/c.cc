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

moebert_model* moebert_load(const char* directory, const char* precision, int threads, char* error, size_t error_size) {
    moebert_model* out = nullptr;
    guarded(error, error_size, [&] {
        moebert::LoadOptions options;
        if (precision) options.precision = precision;
        options.threads = threads;
        out = new moebert_model{moebert::Model::load(needed(directory, "directory"), options)};
    });
    return out;
}

void moebert_free(moebert_model* model) { delete model; }

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

int moebert_find_answer(const moebert_model* model, const char* question, const char* context, moebert_answer* answer,
                        char* error, size_t error_size) {
    return guarded(error, error_size, [&] {
        const auto found =
            model->model.answer({{needed(question, "question"), needed(context, "context")}}).front().front();
        *answer = {found.score, found.begin, found.end, byte_of(context, found.begin), byte_of(context, found.end)};
    });
}
