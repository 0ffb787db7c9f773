#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "core/error.h"
#include "core/json_text.h"
#include "core/utf8.h"
#include "io/file.h"
#include "io/gzip.h"
#include "io/json.h"
#include "tasks/squad.h"
#include "tasks/table.h"
#include "tasks/text_places.h"

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

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

class Builder {
public:
    explicit Builder(const std::filesystem::path& file) { set_.file = file; }

    void add_paragraph(const Node& paragraph) {
        add_context(paragraph["context"].filled_text());
        const auto questions = paragraph["qas"];
        for (std::size_t i = 0; i < questions.size(); ++i) add_question(questions[i]);
    }

    // A row with the question's own context. It may lack an id: then its number is one.
    void add_row(const Node& row) {
        auto context = row["context"].filled_text();
        if (set_.contexts.empty() || set_.contexts.back() != context) add_context(std::move(context));
        add_question(row, true);
        set_.questions.back().columns = other_columns(row);
    }

    QuestionSet finish() {
        if (set_.questions.empty()) throw InputError(set_.file, "", "has no questions");
        return std::move(set_);
    }

private:
    static std::string other_columns(const Node& row) {
        auto others = Json::object();
        if (!is_shallow(row.value)) row.refuse("is nested too deep");
        for (const auto& [key, value] : row.value.items())
            if (key != "id" && key != "question" && key != "context" && key != "answers" && !value.is_null())
                others[key] = value;
        return others.empty() ? "" : json_text(others);
    }

    void add_context(std::string context) {
        set_.contexts.push_back(std::move(context));
        places_.emplace(set_.contexts.back());
    }

    bool is_at(std::string_view text, std::int64_t start) const {
        const std::string_view context = set_.contexts.back();
        const auto at = places_->byte_of_character(start);
        return at != TextPlaces::npos && context.substr(at, text.size()) == text;
    }

    void add_question(const Node& node, bool may_lack_id = false) {
        const bool is_numbered = may_lack_id && !node.has("id");
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
            const auto texts = answers["text"];
            if (texts.value.is_string())
                return add_answer(question, texts,
                                  answers.has("answer_start") ? answers.value["answer_start"] : Json());
            const auto starts = answers.has("answer_start") ? answers.value["answer_start"] : Json::array();
            question.answers.reserve(texts.size());
            if (!starts.is_array()) answers["answer_start"].refuse("expected a list");
            if (!starts.empty() && texts.size() != starts.size())
                answers.refuse("text and answer_start differ in length");
            for (std::size_t i = 0; i < texts.size(); ++i)
                add_answer(question, texts[i], starts.empty() ? Json() : starts[i]);
            return;
        }
        question.answers.reserve(answers.size());
        for (std::size_t i = 0; i < answers.size(); ++i) {
            const auto text = answers[i]["text"];
            add_answer(question, text, answers[i].has("answer_start") ? answers.value[i]["answer_start"] : Json());
        }
    }

    // An empty answer is none. A start that is no number is looked for, as a wrong one is.
    void add_answer(Question& question, const Node& text, const Json& start) {
        Answer answer{text.text(), start.is_number_integer() ? start.get<std::int64_t>() : Answer::unknown};
        if (is_blank(answer.text)) return;
        if (!is_at(answer.text, answer.start)) {
            answer.start = places_->only_place_of(answer.text);
            (answer.start == Answer::unknown ? set_.unplaced : set_.mended).push_back(question.id);
        }
        question.answers.push_back(std::move(answer));
    }

    QuestionSet set_;
    std::optional<TextPlaces> places_;  // of the last context
    std::unordered_set<std::size_t> ids_;
};

// Takes paragraph after paragraph out of the JSON while it is parsed: only one is in memory as JSON. They lie in
// articles, {"data": [ {"paragraphs": [ {"context", "qas"} ] } ]}; the list may also hold paragraphs themselves or
// rows, and be the whole document.
class ParagraphParser {
public:
    // `is_list`: the document is the list.
    ParagraphParser(const std::filesystem::path& file, bool is_list, Builder& builder)
        : file_(file), is_list_(is_list), article_depth_(is_list ? 1 : 2), builder_(builder), is_data_(is_list) {}

    void parse(std::string_view text) {
        const auto watch = [this](int depth, Json::parse_event_t event, Json& value) {
            return keep(depth, event, value);
        };
        const auto rest = parse_json(text, file_, {.watch = watch});
        const Node document{file_, is_list_ ? "data" : "", rest};
        const auto articles = is_list_ ? document : document["data"];
        for (std::size_t i = 0; i < articles.size(); ++i) articles[i]["paragraphs"].size();
    }

private:
    bool keep(int depth, Json::parse_event_t event, Json& value) {
        using Event = Json::parse_event_t;
        const int paragraph_depth = article_depth_ + 2;
        if (event == Event::key && depth == article_depth_ - 1) is_data_ = value == "data";
        if (event == Event::key && depth == paragraph_depth - 1) is_paragraphs_ = value == "paragraphs";
        if (!is_data_) return true;
        if (event == Event::object_start && depth == article_depth_) ++article_, paragraph_ = 0;
        if (event != Event::object_end) return true;
        const auto path = fmt::format("data[{}]", article_ - 1);
        if (depth == article_depth_ && value.contains("qas")) {
            builder_.add_paragraph({file_, path, value});
            return false;
        }
        if (depth == article_depth_ && value.contains("context")) {
            builder_.add_row({file_, path, value});
            return false;
        }
        if (depth != paragraph_depth || !is_paragraphs_) return true;
        builder_.add_paragraph({file_, fmt::format("{}.paragraphs[{}]", path, paragraph_++), value});
        return false;
    }

    const std::filesystem::path& file_;
    bool is_list_;
    int article_depth_;  // objects and lists around an article
    Builder& builder_;
    bool is_data_, is_paragraphs_ = false;
    std::size_t article_ = 0, paragraph_ = 0;
};

void read_row(const std::filesystem::path& file, std::size_t line, std::string_view content, Builder& builder) {
    if (find_malformed_utf8(content)) throw InputError(file, at_line(line), "isn't UTF-8");
    builder.add_row({file, at_line(line), parse_json_object(content, file, {.where = at_line(line)})});
}

void read_rows(const std::filesystem::path& file, std::string_view text, Builder& builder) {
    for (std::size_t begin = 0, number = 1; begin < text.size(); ++number) {
        const auto end = std::min(text.find('\n', begin), text.size());
        const auto line = text.substr(begin, end - begin);
        if (!is_blank(line)) read_row(file, number, line, builder);
        begin = end + 1;
    }
}

// Looks at the keys of the first article, paragraph or row, wherever it lies: the first object, or the first one of the
// list called data, if there is one, or of the list that is the document. The rest may be large, and is not read.
struct KeyReader : nlohmann::json_sax<Json> {
    int depth = 0;  // of objects
    int row_depth = 1;
    std::string last_key;
    bool has_question = false, has_context = false, has_label = false, is_squad = false;

    bool key(std::string& name) override {
        last_key = name;
        if (depth != row_depth) return true;
        has_question |= name == "question", has_context |= name == "context", has_label |= name == "label";
        is_squad = name == "paragraphs" || name == "qas";
        return !is_squad;
    }
    bool start_object(std::size_t) override { return ++depth > 0; }
    bool end_object() override {
        if (depth-- != row_depth) return true;
        is_squad = has_question && has_context && !has_label;
        return false;
    }
    bool start_array(std::size_t) override {
        if (depth == 1 && row_depth == 1 && last_key == "data") {
            row_depth = 2;
            has_question = has_context = has_label = false;
        }
        return true;
    }
    bool has_data_list() const { return row_depth == 2; }

    bool end_array() override { return true; }
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(std::int64_t) override { return true; }
    bool number_unsigned(std::uint64_t) override { return true; }
    bool number_float(double, const std::string&) override { return true; }
    bool string(std::string&) override { return true; }
    bool binary(Json::binary_t&) override { return false; }
    bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }
};

bool has_json_ending(const std::filesystem::path& file) {
    const auto format = format_of(file);
    return format == ".json" || format == ".jsonl" || format == ".ndjson";
}

KeyReader read_keys(std::string_view text) {
    KeyReader keys;
    Json::sax_parse(text.begin(), text.end(), &keys, Json::input_format_t::json, false);
    return keys;
}

}  // namespace

bool is_squad_file(const std::filesystem::path& file) {
    if (!has_json_ending(file)) return false;
    if (std::error_code error; !std::filesystem::is_regular_file(file, error)) return false;
    const MappedFile mapped(file);
    if (is_gzip(mapped.bytes())) return read_keys(read_dataset_text(file)).is_squad;
    std::string_view text(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    return read_keys(text).is_squad;
}

QuestionSet read_squad(const std::filesystem::path& file) {
    if (!has_json_ending(file))
        throw InputError(file, "", "expected SQuAD's JSON, a file that ends in .json, .jsonl or .ndjson");
    const auto text = read_dataset_text(file);
    Builder builder(file);
    const bool is_list = text[text.find_first_not_of(" \t\r\n")] == '[';
    const bool is_document = is_list || (format_of(file) == ".json" && !has_json_lines(text));
    if (is_document || read_keys(text).has_data_list())
        ParagraphParser(file, is_list, builder).parse(text);
    else
        read_rows(file, text, builder);
    return builder.finish();
}

namespace {

// question<TAB>context, or a row.
void add_line(const std::filesystem::path& file, std::size_t number, std::string_view line, Builder& builder) {
    if (is_blank(line)) return;
    if (find_malformed_utf8(line)) throw InputError(file, at_line(number), "isn't UTF-8");
    if (line.starts_with('{')) return read_row(file, number, line, builder);
    const auto tab = line.find('\t');
    if (tab == std::string_view::npos)
        throw InputError(file, at_line(number), "expected question<TAB>context, or a JSON object");
    const Json row{{"question", line.substr(0, tab)}, {"context", line.substr(tab + 1)}};
    builder.add_row({file, at_line(number), row});
}

// A list of rows or paragraphs, or an object with such a list.
bool is_document(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos || (text[begin] != '[' && text[begin] != '{')) return false;
    return !has_json_lines(text) && Json::accept(text) && (text[begin] == '[' || read_keys(text).has_data_list());
}

}  // namespace

QuestionSet read_question_lines(std::istream& in, const std::string& name) {
    const std::filesystem::path file = name;
    const std::string content(std::istreambuf_iterator<char>(in), {});
    if (in.bad()) throw InputError(file, "", "can't be read");
    std::string_view text = content;
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    Builder builder(file);
    if (is_document(text)) {
        ParagraphParser(file, text[text.find_first_not_of(" \t\r\n")] == '[', builder).parse(text);
        return builder.finish();
    }
    for (std::size_t begin = 0, number = 1; begin < text.size(); ++number) {
        const auto end = std::min(text.find('\n', begin), text.size());
        auto line = text.substr(begin, end - begin);
        if (line.ends_with('\r')) line.remove_suffix(1);
        add_line(file, number, line, builder);
        begin = end + 1;
    }
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
