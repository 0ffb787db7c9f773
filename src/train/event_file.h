// TensorBoard event files: scalars over steps and texts, in the record format of TFRecord with hand-laid protocol
// buffers. https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace moebert {

class EventFile {
public:
    // Creates `directory` and a file of its own in it, beside those of earlier runs.
    explicit EventFile(const std::filesystem::path& directory);

    void scalar(const std::string& tag, std::int64_t step, double value);  // written at once
    void text(const std::string& tag, const std::string& markdown);        // at step 0

private:
    void record(const std::string& event);

    std::filesystem::path file_;
    std::ofstream out_;
};

}  // namespace moebert
