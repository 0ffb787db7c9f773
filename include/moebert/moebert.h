// MoEBERT's inference library: a fine-tuned BERT, dense or mixture of experts, on the processors of this machine.
//
//   const auto model = moebert::Model::load("my-model");
//   for (const auto& prediction : model.classify({{"What is the capital of France?"}}))
//       std::cout << prediction.label << ' ' << prediction.score << '\n';
//
// Threads start with the first call that needs them: a process may load a model and then fork. Once a model has
// computed, a child of the process can't compute with it: its calls throw.
//
// A Model may be copied (copies share the weights) and used by any number of threads at once. Results never depend on
// what else is computed at the same time. What fails throws a moebert::Error (error.h), or an exception of the standard
// library where the system has no memory or no threads left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "moebert/error.h"

namespace moebert {

// The version of the library that runs: "0.1.0".
const char* version();

struct LoadOptions {
    // Of matrix products: "fp32"; "bf16" or "int8", where the processor has them; "auto": bf16 where it has that, else
    // fp32; empty: fp32. A checkpoint made by `moebert convert` has one of its own, which is what these two mean there.
    std::string precision;
    // Threads of the library's own; 0: one a core. Many sentences are dealt out to them; of a few, each is shared by
    // all of them.
    int threads = 0;
    // In tokens; longer text is cut to it, and longer contexts of questions into several windows. 0: what the model was
    // trained with (model_max_length of its tokenizer_config.json); if that isn't known, what it has positions for, but
    // 384 at most for questions.
    int max_seq_length = 0;

    // Of question answering, with the meaning, and in a model of 384 tokens the defaults, of Hugging Face's run_qa.
    int doc_stride = 0;  // tokens that a window shares with the next; 0: 128, or a third of max_seq_length if less
    int max_answer_length = 30;              // in tokens
    bool version_2_with_negative = false;    // questions may have no answer, as where the model was trained on such
    double null_score_diff_threshold = 0.0;  // how much better that must score
};

// Text to classify, UTF-8; with `pair` when the model was trained on pairs.
struct Input {
    std::string text;
    std::string pair = {};
};

struct Prediction {
    std::size_t index = 0;             // of the label among labels()
    std::string label;                 // the most probable one; "score" for regression
    double score = 0.0;                // its probability, or a regression's value
    std::vector<float> probabilities;  // of all labels, in the order of labels(); none for regression
    std::vector<float> logits;         // before softmax
    bool is_truncated = false;         // the input was longer than max_seq_length(), and was cut to it
};

struct Query {
    std::string question, context;  // UTF-8; a context of any length
};

struct FoundAnswer {
    std::string text;                 // the context's own characters; empty: no answer
    double score = 0.0;               // its probability among the candidates: 20, or top_k where that is more
    std::int64_t begin = 0, end = 0;  // [begin, end) in the context, in characters (code points)
};

enum class ModelKind { classification, regression, question_answering };

class Model {
public:
    // A checkpoint directory: config.json, the weights, and the tokenizer's files.
    static Model load(const std::filesystem::path& directory, const LoadOptions& options = {});

    ModelKind kind() const;
    const std::vector<std::string>& labels() const;  // in the order of the logits
    int max_seq_length() const;                      // in tokens, as loaded
    std::string description() const;                 // of what computes: "bf16, 2 threads, oneDNN ..., vectors ..."

    // One for each input, in their order. Of a model for classification or regression.
    std::vector<Prediction> classify(const std::vector<Input>& inputs) const;

    // One for each input, in their order. Of a model for regression.
    std::vector<double> regress(const std::vector<Input>& inputs) const;

    // For each query the answer, and after it the best of the other candidates, `top_k` at most in all. Of a model for
    // question answering.
    std::vector<std::vector<FoundAnswer>> answer(const std::vector<Query>& queries, std::size_t top_k = 1) const;

private:
    friend class Stream;
    struct State;
    explicit Model(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

// Requests that come one at a time, from any threads: those that wait are computed together. A lone one is not held up.
class Stream {
public:
    // `max_batch`: most requests that are computed together. `max_waiting`: most that wait to be computed; a thread
    // that brings another one is held until there is room, so that memory stays bounded however fast requests come.
    explicit Stream(Model model, std::size_t max_batch = 64, std::size_t max_waiting = 1024);
    // Computes what was submitted, then returns. No request may come while it does.
    ~Stream();
    Stream(Stream&&) noexcept;  // one that was moved from takes no requests
    Stream& operator=(Stream&&) noexcept;

    // What Model's functions of these names give; errors too are in the future. In a forked child they throw.
    std::future<Prediction> classify(Input input);
    std::future<FoundAnswer> answer(Query query);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace moebert
