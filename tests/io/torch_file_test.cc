#include "io/torch_file.h"

#include <numeric>

#include "io/safetensors.h"
#include "io/support.h"
#include "io/torch_builder.h"

namespace moebert {
namespace {

using test::pickled;
using test::pickled_dict;
using test::TorchTensor;
using TorchFile = test::InFolder;

TensorMap parse_torch(std::string_view content) { return parse_torch_file(test::bytes_of(content), "f.bin"); }

// Ten floats: 0 to 9.
std::string ten_floats() {
    std::vector<float> values(10);
    std::iota(values.begin(), values.end(), 0.f);
    return test::raw(values);
}

std::string archive(const std::string& pickle, const std::string& storage = ten_floats()) {
    return test::zip({{"archive/data.pkl", pickle}, {"archive/version", "3\n"}, {"archive/data/0", storage}});
}

std::string one_tensor(const TorchTensor& tensor) { return archive(pickled_dict({{"a", pickled(tensor)}})); }

std::vector<float> floats(const Tensor& tensor) {
    const auto values = tensor.as<float>();
    return {values.begin(), values.end()};
}

TEST_F(TorchFile, HoldsWhatTheSafetensorsFileBesideItHolds) {
    for (const char* kind : {"cls3", "reg", "qa"}) {
        TensorMap tensors = read_torch_file(test::fixtures / kind / "dense/pytorch_model.bin");
        const TensorMap expected = read_safetensors(test::fixtures / kind / "dense/model.safetensors");
        EXPECT_EQ(tensors.erase("bert.embeddings.position_ids"), 1u);  // a buffer, which safetensors leaves out
        ASSERT_EQ(tensors.size(), expected.size()) << kind;
        for (const auto& [name, tensor] : expected) EXPECT_TRUE(test::same(tensors.at(name), tensor)) << kind << name;
    }
}

TEST_F(TorchFile, MakesStridedTensorsContiguous) {
    const auto tensor =
        parse_torch(one_tensor({.storage_size = 10, .offset = 1, .shape = {3, 2}, .strides = {1, 4}})).at("a");
    EXPECT_EQ(tensor.shape, (Shape{3, 2}));
    EXPECT_EQ(floats(tensor), (std::vector<float>{1, 5, 2, 6, 3, 7}));
}

TEST_F(TorchFile, RepeatsTheElementsOfAnExpandedTensor) {
    const auto tensor =
        parse_torch(one_tensor({.storage_size = 10, .offset = 3, .shape = {2, 2}, .strides = {0, 1}})).at("a");
    EXPECT_EQ(floats(tensor), (std::vector<float>{3, 4, 3, 4}));
}

TEST_F(TorchFile, SharesTheMemoryOfTensorsThatShareAStorage) {
    const TensorMap tensors = parse_torch(
        archive(pickled_dict({{"tail", pickled({.storage_size = 10, .offset = 6, .shape = {4}, .strides = {1}})},
                              {"whole", pickled({.storage_size = 10, .shape = {2, 5}, .strides = {5, 1}})}})));
    EXPECT_EQ(floats(tensors.at("tail")), (std::vector<float>{6, 7, 8, 9}));
    EXPECT_EQ(tensors.at("tail").bytes.data(), tensors.at("whole").bytes.data() + 6 * sizeof(float));
}

TEST_F(TorchFile, MayHoldScalarsEmptyTensorsAndOnesWithIdleStrides) {
    const TensorMap tensors = parse_torch(
        archive(pickled_dict({{"scalar", pickled({.storage_size = 10, .offset = 9})},
                              {"empty", pickled({.storage_size = 10, .shape = {0, 3}, .strides = {3, 1}})},
                              {"row", pickled({.storage_size = 10, .shape = {1, 3}, .strides = {77, 1}})}})));
    EXPECT_EQ(floats(tensors.at("scalar")), (std::vector<float>{9}));
    EXPECT_EQ(tensors.at("empty").shape, (Shape{0, 3}));
    EXPECT_EQ(floats(tensors.at("row")), (std::vector<float>{0, 1, 2}));
}

TEST_F(TorchFile, KnowsEveryTypeOfStorage) {
    const std::pair<const char*, DType> types[] = {{"DoubleStorage", DType::f64}, {"FloatStorage", DType::f32},
                                                   {"HalfStorage", DType::f16},   {"BFloat16Storage", DType::bf16},
                                                   {"LongStorage", DType::i64},   {"IntStorage", DType::i32},
                                                   {"ShortStorage", DType::i16},  {"CharStorage", DType::i8},
                                                   {"ByteStorage", DType::u8},    {"BoolStorage", DType::boolean}};
    for (const auto& [type, dtype] : types) {
        const auto size = static_cast<std::int64_t>(40 / dtype_size(dtype));
        const auto tensor =
            parse_torch(one_tensor({.type = type, .storage_size = size, .shape = {size}, .strides = {1}})).at("a");
        EXPECT_EQ(tensor.dtype, dtype);
        EXPECT_TRUE(std::ranges::equal(tensor.bytes, test::bytes_of(ten_floats())));
    }
}

TEST_F(TorchFile, MayHoldParametersAndAStateDictionarysVersions) {
    const std::string tensor = pickled({.storage_size = 10, .shape = {10}, .strides = {1}});
    const std::string parameter =
        "ctorch._utils\n_rebuild_parameter\n(" + tensor + "I01\nccollections\nOrderedDict\n)RtR";
    const std::string dict = "ccollections\nOrderedDict\n)RS'a'\n" + parameter + "s(S'_metadata'\n(ddb.";
    EXPECT_EQ(parse_torch(archive(dict)).at("a").shape, (Shape{10}));
}

TEST_F(TorchFile, MayHoldParametersWithAState) {
    const std::string tensor = pickled({.storage_size = 10, .shape = {10}, .strides = {1}});
    const std::string parameter =
        "ctorch._utils\n_rebuild_parameter_with_state\n(" + tensor + "I01\nccollections\nOrderedDict\n)R(dtR";
    EXPECT_EQ(parse_torch(archive("(S'a'\n" + parameter + "d.")).at("a").shape, (Shape{10}));
}

TEST_F(TorchFile, MayHaveItsTensorsBesideWhatATrainingToolKept) {
    const std::string tensor = pickled({.storage_size = 10, .shape = {10}, .strides = {1}});
    for (const char* key : {"state_dict", "model_state_dict", "model"}) {
        const auto pickle = fmt::format("(S'epoch'\nI3\nS'{}'\n(S'a'\n{}dS'loops'\n(dd.", key, tensor);
        EXPECT_EQ(parse_torch(archive(pickle)).at("a").shape, (Shape{10})) << key;
    }
}

// The version, what machine it was, the tensors, and the order of their storages.
std::string legacy(const std::string& state, const std::string& rest, const std::string& version = "I1001\n.",
                   const std::string& machine = "(S'little_endian'\nI01\nd.") {
    return std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15) + version + machine + state +
           rest;
}

std::string legacy_storage(std::int64_t elements = 10) {
    return "(S'0'\nl." + test::raw(std::vector<std::int64_t>{elements}) + ten_floats();
}

TEST_F(TorchFile, OfBeforePyTorch16IsRead) {
    const auto state = pickled_dict({{"a", pickled({.storage_size = 10, .offset = 2, .shape = {3}, .strides = {1}})}});
    EXPECT_EQ(floats(parse_torch(legacy(state, legacy_storage())).at("a")), (std::vector<float>{2, 3, 4}));
    auto with_view = state;
    with_view.replace(with_view.find("L10L\ntQ"), 7, "L10L\nNtQ");  // the storage's part that is meant: all
    EXPECT_EQ(floats(parse_torch(legacy(with_view, legacy_storage())).at("a")), (std::vector<float>{2, 3, 4}));
}

TEST_F(TorchFile, OfBeforePyTorch16ThatIsDamagedIsRefused) {
    const auto state = pickled_dict({{"a", pickled({.storage_size = 10, .shape = {10}, .strides = {1}})}});
    EXPECT_ERROR(parse_torch(legacy(state, "")), "malformed pickle: truncated");
    EXPECT_ERROR(parse_torch(legacy(state, legacy_storage().substr(0, 20))), "the storages: truncated");
    EXPECT_ERROR(parse_torch(legacy(state, legacy_storage(-1))), "the storages: \"0\" has -1 elements");
    EXPECT_ERROR(parse_torch(legacy(state, legacy_storage(9))), "a: its storage has 36 bytes");
    EXPECT_ERROR(parse_torch(legacy(state, "(l.")), "the storages: lack \"0\"");
    EXPECT_ERROR(parse_torch(legacy(state, "(S'1'\nl.")), "the storages: truncated");
    EXPECT_ERROR(parse_torch(legacy(state, legacy_storage(), "I1000\n.")), "the version: expected 1001, found 1000");
    EXPECT_ERROR(parse_torch(legacy(state, legacy_storage(), "I1001\n.", "(S'little_endian'\nI00\nd.")),
                 "little_endian: expected true");
    EXPECT_ERROR(parse_torch(legacy("cos\nsystem\n(S'true'\ntR.", legacy_storage())), "os.system, which is refused");
}

TEST_F(TorchFile, ThatIsNoArchiveIsRefused) {
    EXPECT_ERROR(parse_torch(""), "f.bin: not a readable zip archive");
    EXPECT_ERROR(parse_torch("not a zip"), "f.bin: not a readable zip archive");
    EXPECT_ERROR(parse_torch(test::zip({{"a.txt", "x"}})), "f.bin: a zip archive, but not one of torch.save");
}

TEST_F(TorchFile, IsNeverUnpacked) {
    const std::string bomb =
        test::zip({{"archive/data.pkl", "(d."}, {"archive/data/0", std::string(1 << 20, 'x')}}, true);
    EXPECT_LT(bomb.size(), 10000u);
    EXPECT_ERROR(parse_torch(bomb), "expected no compression");
}

TEST_F(TorchFile, WithAWrongChecksumIsRefused) {
    std::string content = one_tensor({.storage_size = 10, .shape = {10}, .strides = {1}});
    const auto position = content.find(ten_floats());
    ASSERT_NE(position, std::string::npos);
    content[position] ^= 1;
    EXPECT_ERROR(parse_torch(content), "archive/data/0: truncated, or its checksum is wrong");
}

TEST_F(TorchFile, OfABigEndianMachineIsRefused) {
    EXPECT_ERROR(parse_torch(test::zip({{"x/data.pkl", "(d."}, {"x/byteorder", "big"}})), "byteorder: expected little");
    EXPECT_TRUE(parse_torch(test::zip({{"x/data.pkl", "(d."}, {"x/byteorder", "little"}})).empty());
}

struct BadTorchFile {
    const char* title;
    std::string content;
    std::string message;
};

class RefusedTorchFile : public testing::TestWithParam<BadTorchFile> {};

TEST_P(RefusedTorchFile, IsNamedWithTheReason) {
    const std::string message = test::error_of([] { parse_torch(GetParam().content); });
    EXPECT_PRED2(test::contains, message, "f.bin: " + GetParam().message);
}

constexpr std::int64_t huge = std::int64_t{1} << 62;

INSTANTIATE_TEST_SUITE_P(
    All, RefusedTorchFile,
    testing::Values(
        BadTorchFile{"System", archive("cos\nsystem\n(S'true'\ntR."), "not plain data: the pickle asks for os.system"},
        BadTorchFile{"AList", archive("(l."), "expected a dict, found a list"},
        BadTorchFile{"NumberForAName", archive("(I1\nI2\nd."), "a tensor's name: expected a string, found an int"},
        BadTorchFile{"NoTensor", archive("(S'a'\nI2\nd."), "a: expected a tensor, found an int"},
        BadTorchFile{"StorageForATensor", archive("(S'a'\nctorch\nFloatStorage\nd."),
                     "a: expected a tensor, found torch F"},
        BadTorchFile{"FewArguments", archive("(S'a'\nctorch._utils\n_rebuild_tensor_v2\n)Rd."), "a: expected a tensor"},
        BadTorchFile{"ParameterOfNothing", archive("(S'a'\nctorch._utils\n_rebuild_parameter\n)Rd."),
                     "a: expected a tensor"},
        BadTorchFile{"NoStorage", archive("(S'a'\nctorch._utils\n_rebuild_tensor_v2\n(I1\nI0\n)))I0\ntRd."),
                     "a: expected a storage, found an int"},
        BadTorchFile{"StorageThatIsMissing", one_tensor({.key = "1", .storage_size = 10}),
                     "archive/data/1: missing in the archive"},
        BadTorchFile{"StorageElsewhere", one_tensor({.key = "../../etc/passwd", .storage_size = 10}),
                     "archive/data/../../etc/passwd: missing in the archive"},
        BadTorchFile{"StorageOfAnotherSize", one_tensor({.storage_size = 11}),
                     "a: its storage has 40 bytes, not those of 11"},
        BadTorchFile{"StorageOfNegativeSize", one_tensor({.storage_size = -1}),
                     "a: its storage has 40 bytes, not those of -1"},
        BadTorchFile{"StorageOfHugeSize", one_tensor({.storage_size = huge}),
                     "a: its storage has 40 bytes, not those of"},
        BadTorchFile{"OutsideOfTheStorage", one_tensor({.storage_size = 10, .shape = {11}, .strides = {1}}),
                     "a: shape [11] with strides [1] at offset 0 is outside of its storage of 10 elements"},
        BadTorchFile{"OffsetAtTheEnd", one_tensor({.storage_size = 10, .offset = 10}),
                     "a: shape [] with strides [] at offset 10"},
        BadTorchFile{"NegativeOffset", one_tensor({.storage_size = 10, .offset = -1}),
                     "a: shape [] with strides [] at offset -1"},
        BadTorchFile{"NegativeShape", one_tensor({.storage_size = 10, .shape = {-1}, .strides = {1}}), "a: shape [-1]"},
        BadTorchFile{"NegativeStride", one_tensor({.storage_size = 10, .offset = 9, .shape = {2}, .strides = {-1}}),
                     "a: shape [2] with strides [-1] at offset 9 is malformed"},
        BadTorchFile{"StridesMissing", one_tensor({.storage_size = 10, .shape = {2}}), "a: shape [2] with strides []"},
        BadTorchFile{"OverflowingShape", one_tensor({.storage_size = 10, .shape = {huge, huge}, .strides = {0, 0}}),
                     "a: shape"},
        BadTorchFile{"OverflowingStride", one_tensor({.storage_size = 10, .shape = {3}, .strides = {huge}}),
                     "a: shape [3]"},
        BadTorchFile{"OverflowingOffset",
                     one_tensor({.storage_size = 10, .offset = huge, .shape = {2}, .strides = {huge}}), "a: "},
        BadTorchFile{"ExpandedToNoEnd", one_tensor({.storage_size = 10, .shape = {1 << 30}, .strides = {0}}),
                     "a: takes 4294967296 bytes, more than a file of this size explains"},
        BadTorchFile{"ManyDimensions", one_tensor({.storage_size = 10, .shape = Shape(17, 1), .strides = Shape(17, 1)}),
                     "a: shape"}),
    [](const auto& refused) { return refused.param.title; });

TEST_F(TorchFile, ThatIsDamagedIsRefusedOrReadButNeverCrashes) {
    const std::string content = archive(
        pickled_dict({{"strided", pickled({.storage_size = 10, .offset = 1, .shape = {3, 2}, .strides = {1, 4}})},
                      {"whole", pickled({.storage_size = 10, .shape = {2, 5}, .strides = {5, 1}})}}));
    test::try_damaged(content, [](std::string_view damaged) { parse_torch(damaged); });
}

}  // namespace
}  // namespace moebert
