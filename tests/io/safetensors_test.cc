#include "io/safetensors.h"

#include "io/support.h"

namespace moebert {
namespace {

using Safetensors = test::InFolder;

std::string make_file(const std::string& header, const std::string& data = "") {
    const std::uint64_t size = header.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + header + data;
}

TensorMap parse_file(std::string_view content) {
    return parse_safetensors(test::bytes_of(content), nullptr, "f.safetensors");
}

TensorMap parse_file(const std::string& header, const std::string& data) { return parse_file(make_file(header, data)); }

TensorMap small_tensors() {
    return {{"b", test::tensor<float>({2, 2}, {1, 2, 3, 4})},
            {"a", test::tensor<std::uint8_t>({3}, {7, 8, 9})},
            {"c", test::tensor<std::int64_t>({}, {-5})},
            {"empty", test::tensor<float>({0, 4}, {})}};
}

TEST_F(Safetensors, AreReadAsTheyWereWritten) {
    const TensorMap tensors = small_tensors();
    write_safetensors(folder / "f", tensors, {{"format", "pt"}});
    Metadata metadata;
    const TensorMap found = read_safetensors(folder / "f", &metadata);
    EXPECT_EQ(metadata, (Metadata{{"format", "pt"}}));
    ASSERT_EQ(found.size(), tensors.size());
    for (const auto& [name, tensor] : tensors) EXPECT_TRUE(test::same(found.at(name), tensor)) << name;
}

TEST_F(Safetensors, WrittenTwiceAreTheSameBytesWithTheWidestElementsFirst) {
    write_safetensors(folder / "f", small_tensors());
    write_safetensors(folder / "g", small_tensors());
    const std::string content = test::slurp(folder / "f");
    EXPECT_EQ(content, test::slurp(folder / "g"));
    EXPECT_EQ(content.substr(8, 4), R"({"c")");
    EXPECT_EQ(static_cast<unsigned char>(content[0]) % 8, 0);
}

TEST_F(Safetensors, MayHoldNoTensors) {
    write_safetensors(folder / "f", {});
    EXPECT_TRUE(read_safetensors(folder / "f").empty());
}

TEST_F(Safetensors, AreViewsOfTheMappedFile) {
    write_safetensors(folder / "f", small_tensors());
    const TensorMap found = read_safetensors(folder / "f");
    EXPECT_EQ(found.at("b").owner, found.at("c").owner);
    EXPECT_EQ(found.at("b").bytes.data(), found.at("c").bytes.data() + 8);
}

TEST_F(Safetensors, ThatAreMisalignedAreCopied) {
    std::string data("\x09\0\0\x80\x3f", 5);
    const auto tensors = parse_file(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                    R"("b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})",
                                    data);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensors.at("b").bytes.data()) % 4, 0u);
    EXPECT_EQ(tensors.at("b").as<float>()[0], 1.f);
}

TEST_F(Safetensors, WhoseBytesDoNotFitTheShapeAreNotWritten) {
    Tensor tensor = test::tensor<float>({2}, {1, 2});
    tensor.shape = {3};
    EXPECT_ERROR(write_safetensors(folder / "f", {{"a", tensor}}), "a: shape [3] of F32 does not take 8 bytes");
    EXPECT_FALSE(std::filesystem::exists(folder / "f"));
}

TEST_F(Safetensors, WithNamesThatAreNotTextAreNotWritten) {
    EXPECT_ERROR(write_safetensors(folder / "f", {{"\xff", test::tensor<float>({}, {1})}}), "not valid UTF-8");
}

struct BadSafetensors {
    const char* title;
    std::string content;
    std::string message;
};

class RefusedSafetensors : public testing::TestWithParam<BadSafetensors> {};

TEST_P(RefusedSafetensors, AreNamedWithTheReason) {
    const std::string message = test::error_of([] { parse_file(GetParam().content); });
    EXPECT_PRED2(test::contains, message, "f.safetensors: ");
    EXPECT_PRED2(test::contains, message, GetParam().message);
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets, std::size_t size) {
    return make_file(fmt::format(R"({{"a":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape, offsets),
                     std::string(size, '\0'));
}

std::string two(const std::string& first, const std::string& second, std::size_t size) {
    return make_file(fmt::format(R"({{"a":{{"dtype":"U8","shape":[2],"data_offsets":{}}},)"
                                 R"("b":{{"dtype":"U8","shape":[2],"data_offsets":{}}}}})",
                                 first, second),
                     std::string(size, '\0'));
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedSafetensors,
    testing::Values(
        BadSafetensors{"Empty", "", "truncated: 0 bytes in all"},
        BadSafetensors{"SevenBytes", std::string(7, '\0'), "truncated"},
        BadSafetensors{"HugeHeader", std::string(8, '\xff'), "expected a header of at most 100000000 bytes"},
        BadSafetensors{"HeaderBeyondTheEnd", make_file("{}").substr(0, 9), "truncated: a header of 2 bytes"},
        BadSafetensors{"NoJson", make_file("{\"a\""), "not valid JSON"},
        BadSafetensors{"JsonAndMore", make_file("{} {}"), "not valid JSON"},
        BadSafetensors{"NotUtf8", make_file("{\"\xff\":1}"), "not valid JSON"},
        BadSafetensors{"AList", make_file("[]"), "expected a JSON object, found array"},
        BadSafetensors{"TensorOfAnotherKind", make_file(R"({"a":3})"), "a: expected an object, found number"},
        BadSafetensors{"KeyTwice", make_file(R"({"a":{},"a":{}})"), "a: the key occurs twice"},
        BadSafetensors{"MemberTwice", make_file(R"({"a":{"dtype":"U8","dtype":"U8"}})"), "dtype: the key occurs twice"},
        BadSafetensors{"UnknownMember", make_file(R"({"a":{"dtype":"U8","strides":[1]}})"), "a: unknown key strides"},
        BadSafetensors{"NoShape", make_file(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})"), "a: shape is missing"},
        BadSafetensors{"Deep", make_file(R"({"a":)" + std::string(1000000, '[')), "nests deeper than 3 levels"},
        BadSafetensors{"TypeOfAnotherKind", one("1", "[1]", "[0,1]", 1), "a: expected dtype to be a string, found 1"},
        BadSafetensors{"NegativeShape", one("\"U8\"", "[-1]", "[0,1]", 1),
                       "a: expected shape to be a list of whole numbers"},
        BadSafetensors{"FractionalShape", one("\"U8\"", "[1.0]", "[0,1]", 1),
                       "a: expected shape to be a list of whole"},
        BadSafetensors{"ShapeBeyond63Bits", one("\"U8\"", "[9223372036854775808]", "[0,1]", 1),
                       "a: expected shape to be"},
        BadSafetensors{"OverflowingShape", one("\"U8\"", "[4294967296,4294967296]", "[0,0]", 0),
                       "a: shape [4294967296, "},
        BadSafetensors{"OverflowHiddenByZero", one("\"U8\"", "[4294967296,4294967296,0]", "[0,0]", 0), "overflows"},
        BadSafetensors{"ThreeOffsets", one("\"U8\"", "[1]", "[0,1,2]", 1), "a: expected two data_offsets, found 3"},
        BadSafetensors{"OffsetsBackwards", one("\"U8\"", "[1]", "[1,0]", 1), "a: shape [1] of U8 needs 1 bytes"},
        BadSafetensors{"WrongLength", one("\"F32\"", "[2]", "[0,4]", 4), "a: shape [2] of F32 needs 8 bytes"},
        BadSafetensors{"DataTooShort", one("\"U8\"", "[4]", "[0,4]", 3), "describes 4 bytes of data, the file has 3"},
        BadSafetensors{"DataTooLong", one("\"U8\"", "[4]", "[0,4]", 5), "describes 4 bytes of data, the file has 5"},
        BadSafetensors{"HoleAtTheFront", one("\"U8\"", "[1]", "[1,2]", 2), "a: expected its data at offset 0, found 1"},
        BadSafetensors{"Hole", two("[0,2]", "[3,5]", 5), "b: expected its data at offset 2, found 3"},
        BadSafetensors{"Overlap", two("[0,2]", "[1,3]", 3), "b: expected its data at offset 2, found 1"},
        BadSafetensors{"SharedData", two("[0,2]", "[0,2]", 2), "expected its data at offset 2, found 0"},
        BadSafetensors{"MetadataOfNumbers", make_file(R"({"__metadata__":{"a":1}})"),
                       "__metadata__: expected an object of"},
        BadSafetensors{"MetadataList", make_file(R"({"__metadata__":["a"]})"), "__metadata__: expected an object of"}),
    [](const auto& refused) { return refused.param.title; });

TEST_F(Safetensors, ThatAreDamagedAreRefusedOrReadButNeverCrash) {
    write_safetensors(folder / "f", small_tensors(), {{"format", "pt"}});
    test::try_damaged(test::slurp(folder / "f"), [](std::string_view content) { parse_file(content); });
}

}  // namespace
}  // namespace moebert
