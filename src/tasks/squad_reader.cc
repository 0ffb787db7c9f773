#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "core/error.h"
#include "io/file.h"
#include "io/json.h"
#include "tasks/squad.h"
#include "tasks/table.h"
#include "tasks/text_places.h"
#include "text/utf8.h"

namespace moebert {
namespace {

using Json = nlohmann::json;

// A value of the file and the path it has there.
struct Node {
    const std::filesystem::path& file;
    std::string path;
    const Json& value;

    [[noreturn]] void refuse(const std::string& problem) const { throw InputError(file, path, problem); }

    std::string below(const std::string& key) const {
        if (path.empty()) return key;
        return path + (path.starts_with("line ") ? ": " : ".") + key;
    }

    bool has(const char* key) const { return value.contains(key) && !value[key].is_null(); }

    Node operator[](const char* key) const {
        if (!value.is_object()) refuse("expected an object");
        if (!has(key)) throw InputError(file, below(key), "is missing");
        return {file, below(key), value[key]};
    }
    Node operator[](std::size_t i) const { return {file, fmt::format("{}[{}]", path, i), value[i]}; }

    std::size_t size() const {
        if (!value.is_array()) refuse("expected a list");
        return value.size();
    }
    std::string text() const {
        if (!value.is_string()) refuse("expected a text");
        return value.get<std::string>();
    }
    std::string filled_text() const {
        auto found = text();
        if (std::all_of(found.begin(), found.end(), [](unsigned char c) { return c <= ' '; })) refuse("is empty");
        return found;
    }
    std::int64_t integer() const {
        if (!value.is_number_integer()) refuse("expected a whole number");
        return value.get<std::int64_t>();
    }
};

class Builder {
public:
    explicit Builder(const std::filesystem::path& file) { set_.file = file; }

    void add_paragraph(const Node& paragraph) {
        add_context(paragraph["context"].filled_text());
        const auto questions = paragraph["qas"];
        for (std::size_t i = 0; i < questions.size(); ++i) add_question(questions[i]);
    }

    // A row with the question's own context.
    void add_row(const Node& row) {
        auto context = row["context"].filled_text();
        if (set_.contexts.empty() || set_.contexts.back() != context) add_context(std::move(context));
        add_question(row);
    }

    // The rows that follow may lack an id.
    void number_rows() { numbers_rows_ = true; }

    QuestionSet finish() {
        if (set_.questions.empty()) throw InputError(set_.file, "", "has no questions");
        return std::move(set_);
    }

private:
    void add_context(std::string context) {
        set_.contexts.push_back(std::move(context));
        places_.emplace(set_.contexts.back());
    }

    bool is_at(std::string_view text, std::int64_t start) const {
        const std::string_view context = set_.contexts.back();
        const auto at = places_->byte_of_character(start);
        return at != TextPlaces::npos && context.substr(at, text.size()) == text;
    }

    void add_question(const Node& node) {
        const bool is_numbered = numbers_rows_ && !node.has("id");
        Question question{is_numbered ? std::to_string(set_.questions.size()) : id_of(node["id"]),
                          node["question"].filled_text(),
                          set_.contexts.size() - 1,
                          {}};
        if (is_known(question.id))
            throw InputError(set_.file, node.below("id"), fmt::format("\"{}\" is there already", question.id));
        const bool is_impossible = node.has("is_impossible") && node["is_impossible"].value == Json(true);
        const bool has_answers = node.has("answers");
        if (!set_.questions.empty() && (has_answers || is_impossible) != set_.is_labelled)
            node.refuse("some questions have answers and others none at all; expected all or none");
        set_.is_labelled = has_answers || is_impossible;
        if (has_answers && !is_impossible) read_answers(node["answers"], question);
        set_.questions.push_back(std::move(question));
    }

    static std::string id_of(const Node& id) { return id.value.is_number_integer() ? id.value.dump() : id.text(); }

    // Only hashes are kept beside the questions: with equal ones the ids themselves tell.
    bool is_known(const std::string& id) {
        if (ids_.insert(std::hash<std::string>()(id)).second) return false;
        return std::ranges::find(set_.questions, id, &Question::id) != set_.questions.end();
    }

    void read_answers(const Node& answers, Question& question) {
        if (answers.value.is_object()) {  // Hugging Face's
            const auto texts = answers["text"], starts = answers["answer_start"];
            question.answers.reserve(texts.size());
            if (texts.size() != starts.size()) answers.refuse("text and answer_start differ in length");
            for (std::size_t i = 0; i < texts.size(); ++i) add_answer(question, texts[i], starts[i]);
            return;
        }
        question.answers.reserve(answers.size());
        for (std::size_t i = 0; i < answers.size(); ++i)
            add_answer(question, answers[i]["text"], answers[i]["answer_start"]);
    }

    void add_answer(Question& question, const Node& text, const Node& start) {
        Answer answer{text.text(), start.integer()};
        if (!is_at(answer.text, answer.start)) {
            answer.start = places_->only_place_of(answer.text);
            (answer.start == Answer::unknown ? set_.unplaced : set_.mended).push_back(question.id);
        }
        question.answers.push_back(std::move(answer));
    }

    QuestionSet set_;
    std::optional<TextPlaces> places_;  // of the last context
    std::unordered_set<std::size_t> ids_;
    bool numbers_rows_ = false;
};

// Takes paragraph after paragraph out of the JSON while it is parsed: only one is in memory as JSON. The depths are
// those of nlohmann's parser: {"data": [ {"paragraphs": [ {...} ] } ]}.
class ParagraphParser {
public:
    ParagraphParser(const std::filesystem::path& file, Builder& builder) : file_(file), builder_(builder) {}

    void parse(std::string_view text) {
        const auto watch = [this](int depth, Json::parse_event_t event, Json& value) {
            return keep(depth, event, value);
        };
        const auto rest = parse_json(text, file_, {.watch = watch});
        const auto articles = Node{file_, "", rest}["data"];
        for (std::size_t i = 0; i < articles.size(); ++i) articles[i]["paragraphs"].size();
    }

private:
    static constexpr int kArticle = 2, kParagraph = 4;

    bool keep(int depth, Json::parse_event_t event, Json& value) {
        using Event = Json::parse_event_t;
        if (event == Event::key && depth == kArticle - 1) is_data_ = value == "data";
        if (event == Event::key && depth == kParagraph - 1) is_paragraphs_ = value == "paragraphs";
        if (!is_data_) return true;
        if (event == Event::object_start && depth == kArticle) ++article_, paragraph_ = 0;
        if (event != Event::object_end) return true;
        if (depth == kArticle && value.contains("context")) {
            builder_.add_row({file_, fmt::format("data[{}]", article_ - 1), value});
            return false;
        }
        if (depth != kParagraph || !is_paragraphs_) return true;
        const auto path = fmt::format("data[{}].paragraphs[{}]", article_ - 1, paragraph_++);
        builder_.add_paragraph({file_, path, value});
        return false;
    }

    const std::filesystem::path& file_;
    Builder& builder_;
    bool is_data_ = false, is_paragraphs_ = false;
    std::size_t article_ = 0, paragraph_ = 0;
};

void read_row(const std::filesystem::path& file, std::size_t line, std::string_view content, Builder& builder) {
    if (find_malformed_utf8(content)) throw InputError(file, at_line(line), "isn't UTF-8");
    builder.add_row({file, at_line(line), parse_json_object(content, file, {.where = at_line(line)})});
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

void read_rows(const std::filesystem::path& file, std::string_view text, Builder& builder) {
    for (std::size_t begin = 0, number = 1; begin < text.size(); ++number) {
        const auto end = std::min(text.find('\n', begin), text.size());
        const auto line = text.substr(begin, end - begin);
        if (!is_blank(line)) read_row(file, number, line, builder);
        begin = end + 1;
    }
}

// Looks at the first object: whether it has a list called data, or a question, its context and no label. The list may
// be all of a large file, and is not read.
struct KeyReader : nlohmann::json_sax<Json> {
    int depth = 0;
    std::string last_key;
    bool has_question = false, has_context = false, has_label = false, is_squad = false;

    bool key(std::string& name) override {
        if (depth != 1) return true;
        has_question |= name == "question", has_context |= name == "context", has_label |= name == "label";
        last_key = name;
        return true;
    }
    bool start_object(std::size_t) override { return ++depth > 0; }
    bool end_object() override {
        if (--depth == 0) is_squad = has_question && has_context && !has_label;
        return depth > 0;
    }
    bool start_array(std::size_t) override {
        is_squad = depth == 1 && last_key == "data";
        return depth > 0 && !is_squad;
    }
    bool end_array() override { return true; }
    bool null() override { return depth > 0; }
    bool boolean(bool) override { return depth > 0; }
    bool number_integer(std::int64_t) override { return depth > 0; }
    bool number_unsigned(std::uint64_t) override { return depth > 0; }
    bool number_float(double, const std::string&) override { return depth > 0; }
    bool string(std::string&) override { return depth > 0; }
    bool binary(Json::binary_t&) override { return false; }
    bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }
};

}  // namespace

bool is_squad_file(const std::filesystem::path& file) {
    const auto ending = file.extension();
    if (ending != ".json" && ending != ".jsonl") return false;
    if (std::error_code error; !std::filesystem::is_regular_file(file, error)) return false;
    const MappedFile mapped(file);
    const auto* begin = reinterpret_cast<const char*>(mapped.bytes().data());
    KeyReader keys;
    Json::sax_parse(begin, begin + mapped.bytes().size(), &keys, Json::input_format_t::json, false);
    return keys.is_squad;
}

QuestionSet read_squad(const std::filesystem::path& file) {
    const auto ending = file.extension();
    if (ending != ".json" && ending != ".jsonl")
        throw InputError(file, "", "expected SQuAD's JSON, a file that ends in .json or .jsonl");
    const auto text = read_dataset_text(file);
    Builder builder(file);
    if (ending == ".jsonl")
        read_rows(file, text, builder);
    else
        ParagraphParser(file, builder).parse(text);
    return builder.finish();
}

QuestionSet read_question_lines(std::istream& in, const std::string& name) {
    const std::filesystem::path file = name;
    Builder builder(file);
    builder.number_rows();
    std::size_t number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (line.ends_with('\r')) line.pop_back();
        if (number == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
        if (is_blank(line)) continue;
        if (find_malformed_utf8(line)) throw InputError(file, at_line(number), "isn't UTF-8");
        if (line.starts_with('{')) {
            read_row(file, number, line, builder);
            continue;
        }
        const auto tab = line.find('\t');
        if (tab == std::string::npos)
            throw InputError(file, at_line(number), "expected question<TAB>context, or a JSON object");
        const Json row{{"question", line.substr(0, tab)}, {"context", line.substr(tab + 1)}};
        builder.add_row({file, at_line(number), row});
    }
    if (in.bad()) throw InputError(file, "", "can't be read");
    return builder.finish();
}

QuestionSet one_question(const std::string& question, const std::string& context) {
    for (const auto& [name, text] : {std::pair{"question", &question}, {"context", &context}}) {
        if (is_blank(*text)) fail_usage("{}: is empty", name);
        if (find_malformed_utf8(*text)) fail_usage("{}: isn't UTF-8", name);
    }
    QuestionSet set;
    set.file = "--question";
    set.contexts.push_back(context);
    set.questions.push_back({"0", question, 0, {}});
    return set;
}

}  // namespace moebert
