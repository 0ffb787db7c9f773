#include "io/json.h"

#include "io/support.h"

namespace moebert {
namespace {

using nlohmann::json;
using Event = json::parse_event_t;

TEST(Json, IsReadAsItIs) {
    for (const char* text : {"null", "true", "-7", "18446744073709551615", "0.5", "\"a\\u00fc\"", "[]", "{}",
                             R"([1, [2, {"a": [null, {}]}], "b"])", R"({"b": {"c": 1}, "a": [{}, []]})"})
        EXPECT_EQ(parse_json(text, "f.json"), json::parse(text)) << text;
    EXPECT_EQ(parse_json("\xef\xbb\xbf{}", "f.json"), json::object());
}

TEST(Json, ThatIsNoneIsRefusedWithTheFileAndThePlace) {
    EXPECT_ERROR(parse_json("[1,", "f.json"), "f.json: not valid JSON: parse error at line 1, column 4");
    EXPECT_ERROR(parse_json("", "f.json"), "f.json: not valid JSON: parse error");
    EXPECT_ERROR(parse_json("1 2", "f.json"), "f.json: not valid JSON: parse error");
    EXPECT_ERROR(parse_json("1e999", "f.json"), "f.json: not valid JSON: number overflow");
    EXPECT_ERROR(parse_json("[1,", "f.json", {.where = "line 3"}), "f.json: line 3: not valid JSON: ");
    EXPECT_ERROR(parse_json_object("[]", "f.json", {.where = "line 3"}),
                 "f.json: line 3: expected a JSON object, found array");
}

TEST(Json, HasEveryKeyOnce) {
    EXPECT_ERROR(parse_json(R"([{"a": {"b": 1, "b": 2}}])", "f.json"), "f.json: b: the key occurs twice in one object");
    EXPECT_EQ(test::error_of([] { parse_json(R"({"a": 1, "a": 1})", "f.json", {.where = "line 3"}); }),
              "f.json: line 3: a: the key occurs twice in one object");
    EXPECT_NO_THROW(parse_json(R"([{"a": {"a": 1}}, {"a": 2}])", "f.json"));
}

TEST(Json, NestsSoDeepAndNoDeeper) {
    EXPECT_NO_THROW(parse_json(std::string(64, '[') + std::string(64, ']'), "f.json"));
    EXPECT_ERROR(parse_json(std::string(65, '['), "f.json"), "f.json: nests deeper than 64 levels");
    EXPECT_NO_THROW(parse_json("[[]]", "f.json", {.max_depth = 2}));
    EXPECT_ERROR(parse_json("[[[]]]", "f.json", {.max_depth = 2}), "nests deeper than 2 levels");
}

TEST(Json, GivesItsKeysInTheFilesOrder) {
    std::vector<std::string> keys;
    parse_json_object(R"({"b": {"x": 1}, "a": [{"y": 2}], "c": 3})", "f.json", {.keys = &keys});
    EXPECT_EQ(keys, (std::vector<std::string>{"b", "a", "c"}));
}

TEST(Json, LeavesOutWhatTheWatcherDoes) {
    const auto without = [](Event left_out, int at) {
        const auto watch = [=](int depth, Event event, json&) { return depth != at || event != left_out; };
        return parse_json(R"({"a": [1, {"x": 2}, 3], "b": 4})", "f.json", {.watch = watch});
    };
    EXPECT_EQ(without(Event::object_end, 2), json::parse(R"({"a": [1, 3], "b": 4})"));
    EXPECT_EQ(without(Event::array_end, 1), json::parse(R"({"b": 4})"));
    EXPECT_EQ(without(Event::value, 1), json::parse(R"({"a": [1, {"x": 2}, 3]})"));
    EXPECT_EQ(without(Event::value, 2), json::parse(R"({"a": [{"x": 2}], "b": 4})"));
    EXPECT_EQ(without(Event::object_end, 0), json());
}

TEST(Json, ShowsTheWatcherWhatItReads) {
    std::string seen;
    const auto watch = [&](int depth, Event event, json& value) {
        const bool has_value = event == Event::key || event == Event::value || event == Event::object_end;
        seen += fmt::format("{}{}{} ", depth, "{}[]kv"[static_cast<int>(event)], has_value ? value.dump() : "");
        return true;
    };
    parse_json(R"({"a": [1], "b": {"c": 2}})", "f.json", {.watch = watch});
    EXPECT_EQ(seen, R"(0{ 1k"a" 1[ 2v1 1] 1k"b" 1{ 2k"c" 2v2 1}{"c":2} 0}{"a":[1],"b":{"c":2}} )");
}

}  // namespace
}  // namespace moebert
