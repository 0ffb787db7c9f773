#include "io/pickle.h"

#include <numeric>

#include "io/support.h"

namespace moebert::pickle {
namespace {

using namespace std::string_literals;
using Pickle = test::InFolder;

Value parse_text(std::string_view content, const Globals& globals = {}) {
    return parse(test::bytes_of(content), "f.pkl", globals);
}

// Python's own notation, but for floats, which are as exact as they need to be here.
std::string show(const Value& value);

std::string show_all(const List& list) {
    std::string text;
    for (const Value& item : list) text += (text.empty() ? "" : ", ") + show(item);
    return text;
}

struct Show {
    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(bool value) const { return value ? "True" : "False"; }
    std::string operator()(std::int64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const { return fmt::format("{}", value); }
    std::string operator()(const std::string& value) const { return fmt::format("'{}'", value); }
    std::string operator()(const List& value) const { return fmt::format("[{}]", show_all(value)); }
    std::string operator()(const Tuple& value) const { return fmt::format("({})", show_all(value.items)); }
    std::string operator()(const Object& value) const {
        return fmt::format("{}<{}>", value.name, show_all(value.arguments));
    }
    std::string operator()(const Dict& value) const {
        std::string text;
        for (const auto& [key, item] : value) text += (text.empty() ? "" : ", ") + show(key) + ": " + show(item);
        return fmt::format("{{{}}}", text);
    }
};

std::string show(const Value& value) { return std::visit(Show{}, value.data); }

class PickleOfProtocol : public testing::TestWithParam<int> {
protected:
    const std::filesystem::path file = test::source_dir / fmt::format("tests/io/data/plain_p{}.pkl", GetParam());
};

// The files and the expected values come from tests/io/data/make_pickles.py.
TEST_P(PickleOfProtocol, IsReadAsPythonWroteIt) {
    const Value value = read(file);
    const Dict& dict = expect_dict(value, file, "");
    EXPECT_EQ(show(*find(dict, "scalars")),
              "[None, True, False, 0, -1, 255, 65535, -2147483648, 1099511627776, -1099511627776, 9223372036854775807, "
              "-9223372036854775808, 0.1, -1e+300]");
    EXPECT_EQ(show(*find(dict, "tuples")), "[(), (1), (1, 2), (1, 2, 3), (1, 2, 3, 4)]");
    EXPECT_EQ(show(*find(dict, "shared")), "[['once'], ['once']]");
    const List& texts = expect_list(*find(dict, "texts"), file, "");
    EXPECT_EQ(expect_string(texts[0], file, ""), "");
    EXPECT_EQ(expect_string(texts[2], file, ""), "\u00fc\u20ac\U0001f600");
    EXPECT_EQ(expect_string(texts[3], file, ""), "a\nb\\c\u0100'\"");
    EXPECT_EQ(expect_string(texts[4], file, "").size(), 300u);
    const List& many = expect_list(*find(dict, "many"), file, "");
    ASSERT_EQ(many.size(), 300u);
    for (std::size_t i = 0; i < many.size(); ++i)
        ASSERT_EQ(expect_int(many[i], file, ""), static_cast<std::int64_t>(i));
    EXPECT_EQ(show(dict.back().first) + show(dict.back().second), "7{}");
}

TEST_P(PickleOfProtocol, ThatIsDamagedIsRefusedOrReadButNeverCrashes) {
    test::try_damaged(test::slurp(file), [](std::string_view content) { parse_text(content); });
}

INSTANTIATE_TEST_SUITE_P(All, PickleOfProtocol, testing::Range(0, 6));

TEST_F(Pickle, OfPython2IsRead) {
    EXPECT_EQ(show(parse_text("(lp0\nS'it\\'s \\\\ \\x41\\n'\np1\naI01\naI7\naL12L\naF-0.5\na.")),
              "['it's \\ A\n', True, 7, 12, -0.5]");
    EXPECT_EQ(show(parse_text("\x80\x02U\x03"
                              "abcT\x02\0\0\0de\x86."s)),
              "('abc', 'de')");
    EXPECT_EQ(show(parse_text("ccollections\nOrderedDict\n((l(lI1\naI2\naatR.")), "{1: 2}");
}

TEST_F(Pickle, OfTheAuthorsImportanceHasRowsOfFloatsAndRanks) {
    for (const char* name : {"authors_importance/importance_mnli.pkl", "authors_importance/importance_rte.pkl",
                             "cls3/importance.pkl", "reg/importance.pkl", "qa/importance.pkl"}) {
        const Value value = read(test::fixtures / name);
        const Dict& dict = expect_dict(value, name, "");
        const List& scores = expect_list(*find(dict, "importance"), name, "");
        const List& ranks = expect_list(*find(dict, "idx"), name, "");
        ASSERT_EQ(scores.size(), ranks.size()) << name;
        for (std::size_t k = 0; k < scores.size(); ++k) {
            std::vector<double> row;
            for (const Value& score : expect_list(scores[k], name, "")) row.push_back(expect_number(score, name, ""));
            EXPECT_TRUE(std::is_sorted(row.rbegin(), row.rend())) << name << " layer " << k;
            EXPECT_EQ(expect_list(ranks[k], name, "").size(), row.size());
            EXPECT_GE(expect_int(expect_list(ranks[k], name, "")[0], name, ""), 0);
        }
    }
}

TEST_F(Pickle, OfTheAuthorsHashListHasAnExpertForEveryToken) {
    for (const char* name : {"cls3/balance.pkl", "reg/balance.pkl", "qa/balance.pkl"}) {
        const Value value = read(test::fixtures / name);
        const List& experts = expect_list(value, name, "");
        EXPECT_EQ(experts.size(), 97u);
        for (const Value& expert : experts) EXPECT_LT(expect_int(expert, name, ""), 4);
    }
}

TEST_F(Pickle, IsReadAsItWasWritten) {
    const Value value(Dict{{"scores", List{List{1.5, -0.25}, List{}}},
                           {"idx", List{0, std::int64_t{1} << 40, -1, std::int64_t{-1} << 40}},
                           {"rest", Tuple{{Value(), true, false, "\u00fc", Tuple{}}}},
                           {7, Dict{}}});
    write(folder / "f", value);
    EXPECT_EQ(show(read(folder / "f")), show(value));
}

TEST_F(Pickle, WrittenLoadsInPython) {
    if (std::system("python3 -c 'import pickle' 2>/dev/null") != 0) GTEST_SKIP() << "python3 is not installed";
    write(folder / "f",
          Dict{{"importance", List{List{1.5, 0.1}}}, {"idx", List{List{1, 0}}}, {"big", std::int64_t{1} << 40}});
    const std::string check = fmt::format(
        "python3 -c \"import pickle; v = pickle.load(open('{}', 'rb')); "
        "assert v == {{'importance': [[1.5, 0.1]], 'idx': [[1, 0]], 'big': 2**40}}, v\"",
        (folder / "f").string());
    EXPECT_EQ(std::system(check.c_str()), 0);
}

TEST_F(Pickle, CannotBeMadeOfObjects) {
    EXPECT_ERROR(write(folder / "f", Value(Object{"torch FloatStorage", {}})),
                 "an object (torch FloatStorage) can't be");
    EXPECT_FALSE(std::filesystem::exists(folder / "f"));
}

TEST_F(Pickle, NamesWhatItFoundInsteadOfWhatWasExpected) {
    const Value value(List{1});
    EXPECT_ERROR(expect_dict(value, "f.pkl", "scores"), "f.pkl: scores: expected a dict, found a list");
    EXPECT_ERROR(expect_list(Value("x"), "f.pkl", ""), "f.pkl: expected a list, found a string");
    EXPECT_ERROR(expect_int(Value(true), "f.pkl", ""), "expected an int, found a bool");
    EXPECT_ERROR(expect_number(Value(), "f.pkl", ""), "expected a number, found None");
    EXPECT_EQ(find(Dict{{1, 2}}, "absent"), nullptr);
}

TEST_F(Pickle, GivesListedGlobalsAsRecordsAndCallsNothing) {
    const Globals globals = {"torch FloatStorage", "torch._utils _rebuild"};
    EXPECT_EQ(show(parse_text("ctorch\nFloatStorage\n.", globals)), "torch FloatStorage<>");
    EXPECT_EQ(show(parse_text("ctorch._utils\n_rebuild\n(I1\nI2\ntR.", globals)), "torch._utils _rebuild<1, 2>");
    EXPECT_EQ(show(parse_text("\x80\x04\x8c\x05torch\x8c\x0c"
                              "FloatStorage\x93.",
                              globals)),
              "torch FloatStorage<>");
    EXPECT_EQ(show(parse_text("(S'storage'\nI3\ntQ.", globals)), "persistent id<('storage', 3)>");
}

struct Refused {
    const char* title;
    std::string content;
    std::string message;
};

class RefusedPickle : public testing::TestWithParam<Refused> {};

TEST_P(RefusedPickle, IsNamedWithTheReason) {
    const std::string message = test::error_of([] { parse_text(GetParam().content, {"known thing"}); });
    EXPECT_PRED2(test::contains, message, "f.pkl: " + GetParam().message);
}

std::string repeated(const std::string& text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
}

// Ten lists, each of ten references to the one before: 10^n values from a few bytes.
std::string bomb(int levels) {
    std::string content = "(lp0\n";
    for (int level = 0; level < levels; ++level) {
        content += "0(" + repeated(fmt::format("g{}\n", level), 10) + fmt::format("lp{}\n", level + 1);
    }
    return content + ".";
}

// A list of pairs, a thousand references to one; and calls that make a dictionary of them, again and again.
std::string calls(int count) {
    std::string content = "(I1\nI2\nlp0\n0(" + repeated("g0\n", 1000) + "lp1\n0";
    return content + repeated("ccollections\nOrderedDict\n(g1\ntR0", count) + "N.";
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedPickle,
    testing::Values(
        Refused{"Empty", "", "malformed pickle: truncated"}, Refused{"NoEnd", "I1\n", "malformed pickle: truncated"},
        Refused{"ManyCopies", calls(4000), "calls with more than 4194304 values"},
        Refused{"ManyNames", "]" + std::string(1 << 23, '\x94') + ".", "holds more than 4194304 values"},
        Refused{"ManyMarks", std::string(1 << 23, '(') + ".", "holds more than 4194304 values"},
        Refused{"ManyOfOne", "N" + std::string(1 << 23, '2') + ".", "holds more than 4194304 values"},
        Refused{"NothingButTheEnd", ".", "malformed pickle: it doesn't end with one value"},
        Refused{"TwoValues", "I1\nI2\n.", "malformed pickle: it doesn't end with one value"},
        Refused{"OpenMark", "I1\n(.", "malformed pickle: it doesn't end with one value"},
        Refused{"MoreAfterTheEnd", "I1\n.I2\n.", "malformed pickle: bytes after its end"},
        Refused{"Protocol6", "\x80\x06N.", "expected a pickle of protocol 0 to 5, found 6"},
        Refused{"System", "cos\nsystem\n(S'touch /tmp/pwned'\ntR.",
                "not plain data: the pickle asks for os.system, which is refused"},
        Refused{"SystemFromTheStack", "\x80\x04\x8c\x02os\x8c\x06system\x93.",
                "not plain data: the pickle asks for os.system, which is refused"},
        Refused{"Eval", "cbuiltins\neval\n.", "not plain data: the pickle asks for builtins.eval"},
        Refused{"NameOfAKnownModule", "cknown\nother\n.", "not plain data: the pickle asks for known.other"},
        Refused{"Instance", "(ios\nsystem\n.", "not plain data: the pickle's opcode INST is refused"},
        Refused{"NewObject", "cknown\nthing\n)\x81.", "not plain data: the pickle's opcode NEWOBJ is refused"},
        Refused{"Extension", "\x82\x01.", "not plain data: the pickle's opcode EXT1 is refused"},
        Refused{"Bytes",
                "\x80\x03"
                "C\x01x.",
                "not plain data: the pickle's opcode SHORT_BINBYTES is refused"},
        Refused{"Set", "\x8f.", "not plain data: the pickle's opcode EMPTY_SET is refused"},
        Refused{"UnknownOpcode", "\xff.", "not plain data: the pickle's opcode 0xff is refused"},
        Refused{"CallOfAList", "(l)R.", "malformed pickle: a call of no global"},
        Refused{"CallOfACall", "cknown\nthing\n)R)R.", "malformed pickle: a call of no global"},
        Refused{"CallWithAList", "cknown\nthing\n(lR.", "malformed pickle: a call of no global"},
        Refused{"OrderedDictOfOne", "ccollections\nOrderedDict\n(I1\ntR.", "malformed pickle: an OrderedDict that"},
        Refused{"Attributes", "cknown\nthing\n)R(db.", "not plain data: an object with attributes"},
        Refused{"LongInteger", std::string("\x8a\x09\0\0\0\0\0\0\0\0\1.", 12), "an integer of more than 64 bits"},
        Refused{"LongIntegerAsText", "L9223372036854775808L\n.", "malformed pickle: a number can't be read"},
        Refused{"NoNumber", "Ix\n.", "malformed pickle: a number can't be read"},
        Refused{"StringWithoutQuotes", "Sabc\n.", "malformed pickle: a string can't be read"},
        Refused{"StringWithOneQuote", "S'\n.", "malformed pickle: a string can't be read"},
        Refused{"UnknownEscape", "S'\\q'\n.", "malformed pickle: a string can't be read"},
        Refused{"EscapeCutShort", "V\\u12\n.", "malformed pickle: a string can't be read"},
        Refused{"CharacterBeyondUnicode", "V\\U00110000\n.", "malformed pickle: a string can't be read"},
        Refused{"HugeString",
                "X\xff\xff\xff\x7f"
                "abc.",
                "malformed pickle: truncated"},
        Refused{"HugeString8",
                "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                "abc.",
                "malformed pickle: truncated"},
        Refused{"MemoNotThere", "g5\n.", "malformed pickle: it refers to entry 5, which is not there"},
        Refused{"EmptyStack", "a.", "malformed pickle: its stack is empty"},
        Refused{"BelowTheMark", "(l(0.", "malformed pickle: its stack is empty"},
        Refused{"NoMark", "l.", "malformed pickle: a mark is missing"},
        Refused{"ItemsForANumber", "I1\nI2\na.", "malformed pickle: items for something that is no container"},
        Refused{"OddDict", "(I1\nd.", "malformed pickle: a key without a value"},
        Refused{"KeyTwice", "(I1\nI2\nI1\nI3\nd.", "a dict holds a key twice"},
        Refused{"KeyOfAnotherKind", "(NI2\nd.", "expected the keys of a dict to be strings or ints"},
        Refused{"ListInItself", "(lp0\ng0\na.", "nests deeper than 100 levels, or contains itself"},
        Refused{"Deep", repeated("(", 100000) + repeated("l", 100000) + ".", "nests deeper than 100 levels"},
        Refused{"Bomb", bomb(12), "holds more than 4194304 values"}),
    [](const auto& refused) { return refused.param.title; });

}  // namespace
}  // namespace moebert::pickle
