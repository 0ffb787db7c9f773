#include "core/printable.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace moebert {
namespace {

TEST(Printable, LeavesTextAsItIs) {
    for (const char* text : {"", "label 'a b'", "\u00fcn\u00efcode \u4e2d\u6587 \U0001F600", "C:\\dir"})
        EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
    EXPECT_EQ(printable("a\x1B[2Jb"), "a\\x1B[2Jb");
    EXPECT_EQ(printable("a\nb\r\tc\x7F"), "a\\x0Ab\\x0D\\x09c\\x7F");
    EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\x00b");
    EXPECT_EQ(printable("\u009B"), "\\xC2\\x9B");
    EXPECT_EQ(printable("\u202Eabc\u2028\uFEFF"), "\\u202Eabc\\u2028\\uFEFF");
    EXPECT_EQ(printable("\u2066\u2069\u200E\u061C"), "\\u2066\\u2069\\u200E\\u061C");
    EXPECT_EQ(printable("\xFF\xC3("), "\\xFF\\xC3(");
}

TEST(Printable, LeavesOutTheMiddleOfALongText) {
    EXPECT_EQ(printable("0123456789", 10), "0123456789");
    EXPECT_EQ(printable("0123456789abcdefghijk", 20), "0123456789 ... ghijk");
    const std::string text = "begin" + std::string(1'000'000, 'x') + "end";
    const auto shown = printable(text, 100);
    EXPECT_EQ(shown.size(), 100U);
    EXPECT_TRUE(shown.starts_with("beginx") && shown.ends_with("xend"));
    for (std::size_t most = 5; most < 40; ++most) {  // no character is cut
        const auto cut = printable("\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587", most);
        EXPECT_LE(cut.size(), most + 3);
        EXPECT_EQ(printable(cut), cut);
    }
}

TEST(Printable, IsWhatErrorsSay) {
    EXPECT_STREQ(InputError("a\nb", "k\x1B", "p\xFF").what(), "a\\x0Ab: k\\x1B: p\\xFF");
    EXPECT_LT(std::string(InputError("a", std::string(9999, 'k'), std::string(99999, 'p')).what()).size(), 1300U);
    const auto message_of = [](auto action) {
        try {
            action();
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    EXPECT_EQ(message_of([] { fail("{}: bad", "a\nb"); }), "a\\x0Ab: bad");
    EXPECT_EQ(message_of([] { fail_usage("{}: bad", "a\nb"); }), "a\\x0Ab: bad");
}

}  // namespace
}  // namespace moebert
