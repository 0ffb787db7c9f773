// TensorBoard event files: scalars over steps, in the record format of TFRecord with hand-laid protocol buffers.
// https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace moebert {

class EventFile {
public:
    // Creates `directory` and a file of its own in it.
    explicit EventFile(const std::filesystem::path& directory);

    void scalar(const std::string& tag, std::int64_t step, double value);  // written at once

private:
    void record(const std::string& event);

    std::filesystem::path file_;
    std::ofstream out_;
};

}  // namespace moebert
