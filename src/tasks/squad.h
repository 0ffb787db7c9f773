// Question answering by spans: SQuAD's questions, contexts and answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace moebert {

struct Answer {
    static constexpr std::int64_t unknown = -1;

    std::string text;
    std::int64_t start = unknown;  // in characters (code points) of the context
};

struct Question {
    std::string id;
    std::string question;
    std::size_t context = 0;      // in QuestionSet::contexts
    std::vector<Answer> answers;  // none: the context doesn't answer it
    std::string columns = {};     // of a row, beside these: an object of JSON; empty: none
};

struct QuestionSet {
    std::filesystem::path file;  // named in errors
    std::vector<std::string> contexts;
    std::vector<Question> questions;
    bool is_labelled = false;  // whether answers are given at all

    // Answers that are not where answer_start says: found elsewhere, being in the context once; or left without a
    // start. The ids of their questions.
    std::vector<std::string> mended, unplaced;
};

// SQuAD's JSON (versions 1.1 and 2.0), the same with rows under "data" instead of articles, as run_qa takes it, or by
// the ending .jsonl a row a line. A row has id, question, context and answers (a list of {text, answer_start}, or
// Hugging Face's object of two lists). UTF-8, with or without a byte-order mark.
// Throws an InputError that names the path in the file ("data[0].paragraphs[2].qas[1].id") or the line: what is missing
// or of another type, an id that is there already, an empty context or question.
QuestionSet read_squad(const std::filesystem::path& file);

// Whether the file is one of those: by its first keys, since classification takes .json and .jsonl too. An InputError
// where it can't be read.
bool is_squad_file(const std::filesystem::path& file);

// Questions to answer, one a line: question<TAB>context, or a row as above, whose id may be missing: then it is the
// question's number, from 0. A JSON document of such rows is understood as in a file. `name` stands in errors.
QuestionSet read_question_lines(std::istream& in, const std::string& name = "standard input");

// A set of one question, whose id is "0". Throws a UsageError when either is empty.
QuestionSet one_question(const std::string& question, const std::string& context);

}  // namespace moebert
