// The C interface's arguments: texts, counts, options, and room for the error.
#include "moebert/c.h"
#include "small_model.h"

namespace {

using namespace moebert;

void check_error(int code, const char* error, std::size_t size) {
    if (size > 0 && ::strnlen(error, size) == size) __builtin_trap();
    if (code != 0 && size > 1 && error[0] == '\0') __builtin_trap();
}

moebert_model* load(const std::string& name, const std::string& head) {
    char error[200] = "";
    moebert_options options = {};
    options.threads = 1;
    auto* model = moebert_load(fuzz::small_model(name, head).c_str(), &options, error, sizeof error);
    if (model == nullptr) __builtin_trap();
    return model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto* const classifier = load("classifier", "SequenceClassification");
    static auto* const answerer = load("answerer", "QuestionAnswering");
    if (size < 8) return 0;
    const std::size_t room = data[0];
    std::vector<char> error(room, 'x');
    const auto text = fuzz::text_of(data + 8, size - 8);
    const auto parts = fuzz::parts_of(text);
    std::vector<const char*> texts, pairs;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        (i % 2 == 0 ? texts : pairs).push_back(i % 7 == 6 ? nullptr : parts[i].c_str());
    }
    pairs.resize(texts.size(), data[1] % 2 == 0 ? nullptr : "a");
    const auto count = std::min<std::size_t>(texts.size(), 8);
    std::vector<double> scores(count * moebert_label_count(classifier));
    error.assign(room, '\0');
    check_error(moebert_classify(classifier, texts.data(), data[1] % 4 == 0 ? nullptr : pairs.data(), count,
                                 scores.data(), error.data(), room),
                error.data(), room);
    std::vector<moebert_answer> answers(count);
    error.assign(room, '\0');
    const int code =
        moebert_find_answers(answerer, texts.data(), pairs.data(), count, answers.data(), error.data(), room);
    check_error(code, error.data(), room);
    for (std::size_t i = 0; code == 0 && i < count; ++i)
        if (answers[i].text_begin > answers[i].text_end || answers[i].text_end > std::strlen(pairs[i]))
            __builtin_trap();
    const std::string precision(parts.front());
    moebert_options options = {precision.c_str(),
                               static_cast<std::int8_t>(data[2]) % 3,
                               static_cast<std::int8_t>(data[3]),
                               static_cast<std::int8_t>(data[4]),
                               static_cast<std::int8_t>(data[5]),
                               data[6],
                               data[7] - 9.5};
    if (data[6] % 2 == 0) options.precision = nullptr;
    const auto directory = fuzz::folder() / (data[6] % 4 == 0 ? "answerer" : parts.back().c_str());
    error.assign(room, '\0');
    auto* model = moebert_load(directory.c_str(), &options, error.data(), room);
    check_error(model == nullptr ? 1 : 0, error.data(), room);
    moebert_free(model);
    return 0;
}
