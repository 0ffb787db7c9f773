// Event files, read back byte by byte as TensorFlow's record format and protocol buffers have them.
#include "train/event_file.h"

#include <cmath>
#include <cstring>
#include <map>

#include "io/support.h"
#include "train/training_log.h"

namespace moebert {
namespace {

// Bit by bit, unlike the writer's table.
std::uint32_t crc32c(std::string_view bytes) {
    std::uint32_t crc = 0xffffffffU;
    for (const char byte : bytes) {
        crc ^= static_cast<unsigned char>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    }
    return ~crc;
}

std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }

template <class T>
T take(std::string_view& bytes) {
    T value{};
    if (bytes.size() < sizeof value) throw Error("the file ends too early");
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes.remove_prefix(sizeof value);
    return value;
}

std::vector<std::string_view> records(std::string_view bytes) {
    std::vector<std::string_view> found;
    while (!bytes.empty()) {
        const auto header = bytes.substr(0, 8);
        const auto length = take<std::uint64_t>(bytes);
        EXPECT_EQ(take<std::uint32_t>(bytes), masked(crc32c(header)));
        found.push_back(bytes.substr(0, length));
        bytes.remove_prefix(length);
        EXPECT_EQ(take<std::uint32_t>(bytes), masked(crc32c(found.back())));
    }
    return found;
}

std::uint64_t take_varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        const auto byte = take<unsigned char>(bytes);
        value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
}

// The fields of one message: number -> payload (fixed ones as their bytes, a varint as its digits).
std::map<std::uint64_t, std::string> fields(std::string_view bytes) {
    std::map<std::uint64_t, std::string> found;
    while (!bytes.empty()) {
        const auto key = take_varint(bytes);
        std::size_t size = 0;
        if ((key & 7) == 0) {
            found[key >> 3] = std::to_string(take_varint(bytes));
            continue;
        }
        if ((key & 7) == 1) size = 8;
        if ((key & 7) == 2) size = take_varint(bytes);
        if ((key & 7) == 5) size = 4;
        EXPECT_GT(size, 0U) << "wire type " << (key & 7);
        found[key >> 3] = bytes.substr(0, size);
        bytes.remove_prefix(size);
    }
    return found;
}

struct Scalar {
    std::string tag;
    std::string step;
    float value;
};

Scalar scalar_of(std::string_view record) {
    const auto event = fields(record);                     // wall_time = 1, step = 2, summary = 5
    const auto value = fields(fields(event.at(5)).at(1));  // Summary.value = 1: tag = 1, simple_value = 2
    std::string_view number = value.at(2);
    return {value.at(1), event.contains(2) ? event.at(2) : "0", take<float>(number)};
}

class EventFileTest : public test::InFolder {
protected:
    std::string only_file(const std::string& name) const {
        std::vector<std::filesystem::path> files;
        for (const auto& entry : std::filesystem::directory_iterator(folder / name)) files.push_back(entry.path());
        EXPECT_EQ(files.size(), 1U);
        EXPECT_TRUE(files.at(0).filename().string().starts_with("events.out.tfevents."));
        return test::slurp(files.at(0));
    }
};

TEST(Crc32c, OfTheTestItself) { EXPECT_EQ(crc32c("123456789"), 0xe3069283U); }

TEST_F(EventFileTest, BeginsWithItsVersionAndTheTime) {
    EventFile(folder / "runs");
    const auto bytes = only_file("runs");
    const auto found = records(bytes);
    ASSERT_EQ(found.size(), 1U);
    const auto event = fields(found[0]);
    EXPECT_EQ(event.at(3), "brain.Event:2");
    std::string_view time = event.at(1);
    const auto seconds = take<double>(time);
    EXPECT_GT(seconds, 1.6e9);
    EXPECT_LT(seconds, 1e11);
}

TEST_F(EventFileTest, HoldsEveryScalarWithItsTagAndStep) {
    {
        EventFile file(folder / "runs");
        file.scalar("train/loss", 1, 0.25);
        file.scalar("eval/accuracy", 300, -1e-7);
        file.scalar(std::string(200, 'x'), 123456789012, 3.0);  // a length of two bytes, a step of six
    }
    const auto bytes = only_file("runs");
    const auto found = records(bytes);
    ASSERT_EQ(found.size(), 4U);
    const auto first = scalar_of(found[1]), second = scalar_of(found[2]), third = scalar_of(found[3]);
    EXPECT_EQ(first.tag, "train/loss");
    EXPECT_EQ(first.step, "1");
    EXPECT_EQ(first.value, 0.25F);
    EXPECT_EQ(second.tag, "eval/accuracy");
    EXPECT_EQ(second.step, "300");
    EXPECT_EQ(second.value, -1e-7F);
    EXPECT_EQ(third.tag, std::string(200, 'x'));
    EXPECT_EQ(third.step, "123456789012");
}

// As the plugin of texts has it: Summary.Value's tensor = 8 (dtype string = 7, shape (1), string_val = 8), and its
// metadata = 9.
TEST_F(EventFileTest, HoldsTexts) {
    {
        EventFile file(folder / "runs");
        file.text("training_args", "| a | 1 |");
    }
    const auto bytes = only_file("runs");
    const auto found = records(bytes);
    ASSERT_EQ(found.size(), 2U);
    const auto value = fields(fields(fields(found[1]).at(5)).at(1));
    EXPECT_EQ(value.at(1), "training_args");
    const auto tensor = fields(value.at(8));
    EXPECT_EQ(tensor.at(1), "7");
    EXPECT_EQ(fields(fields(tensor.at(2)).at(2)).at(1), "1");
    EXPECT_EQ(tensor.at(8), "| a | 1 |");
    EXPECT_EQ(fields(fields(value.at(9)).at(1)).at(1), "text");
}

TEST_F(EventFileTest, OfAnotherRunIsKept) {
    for (int run = 0; run < 2; ++run) EventFile(folder / "runs");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "runs"), {}), 2);
}

TEST_F(EventFileTest, IsWrittenAtOnce) {
    EventFile file(folder / "runs");
    file.scalar("a", 1, 1.0);
    const auto bytes = only_file("runs");
    EXPECT_EQ(records(bytes).size(), 2U);
}

TEST_F(EventFileTest, ThatCannotBeMadeIsAnError) {
    put("file", "");
    EXPECT_THROW(EventFile(folder / "file" / "runs"), std::exception);
}

class TrainingLogTest : public EventFileTest {
protected:
    TrainOptions options() const {
        TrainOptions o;
        o.output_dir = folder / "out";
        return o;
    }
};

TEST_F(TrainingLogTest, WritesALineForEachStepAndNoEventsUnlessAsked) {
    TrainingLog log(options(), {});
    log.write("train", 1, {{"loss", 0.5}});
    log.write("eval", 2, {{"accuracy", 1.0}});
    EXPECT_EQ(test::slurp(folder / "out/train_log.jsonl"),
              "{\"event\":\"train\",\"loss\":0.5,\"step\":1}\n{\"accuracy\":1.0,\"event\":\"eval\",\"step\":2}\n");
    EXPECT_FALSE(std::filesystem::exists(folder / "out/runs"));
}

TEST_F(TrainingLogTest, GoesOnAfterTheLinesUpToAStepButForThatOfTheEnd) {
    {
        TrainingLog log(options(), {});
        log.write("train", 1, {{"loss", 0.5}});
        log.write("train", 2, {{"loss", 0.25}});
        log.write(TrainingLog::kFinal, 1, {{"eval_loss", 0.5}});
    }
    TrainingLog log(options(), 1);
    EXPECT_EQ(test::slurp(folder / "out/train_log.jsonl"), "{\"event\":\"train\",\"loss\":0.5,\"step\":1}\n");
}

TEST_F(TrainingLogTest, ReportsExpertsSharesAndOptionsToTensorboard) {
    auto o = options();
    o.report_to = "tensorboard";
    TrainingLog log(o, {});
    log.describe("training_args", {{"seed", 3}});
    log.write("train", 7, {{"expert_load", {{0.5, 0.5}, {0.25, 0.75}}}});
    const auto bytes = only_file("out/runs");
    const auto found = records(bytes);
    ASSERT_EQ(found.size(), 6U);
    EXPECT_EQ(fields(fields(fields(found[1]).at(5)).at(1)).at(1), "training_args");
    EXPECT_EQ(scalar_of(found[2]).tag, "train/expert_load/layer_0/expert_0");
    EXPECT_EQ(scalar_of(found[5]).tag, "train/expert_load/layer_1/expert_1");
    EXPECT_EQ(scalar_of(found[5]).value, 0.75F);
}

TEST_F(TrainingLogTest, ReportsNumbersButNoListsToTensorboard) {
    auto o = options();
    o.report_to = "tensorboard";
    TrainingLog log(o, {});
    log.write("train", 7, {{"loss", 0.5}, {"epoch", 2}, {"expert_load", {0.5, 0.5}}});
    const auto bytes = only_file("out/runs");
    const auto found = records(bytes);
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(scalar_of(found[1]).tag, "train/epoch");
    EXPECT_EQ(scalar_of(found[1]).value, 2.0F);
    EXPECT_EQ(scalar_of(found[2]).tag, "train/loss");
    EXPECT_EQ(scalar_of(found[2]).step, "7");
}

TEST_F(TrainingLogTest, PutsEventsIntoLoggingDir) {
    auto o = options();
    o.report_to = "tensorboard";
    o.logging_dir = folder / "elsewhere";
    TrainingLog log(o, {});
    EXPECT_FALSE(only_file("elsewhere").empty());
}

}  // namespace
}  // namespace moebert
