#include "command_line.h"
#include "commands.h"
#include "engine/prepared.h"
#include "io/file.h"

namespace moebert::cli {

namespace {

struct ConvertOptions {
    std::string model_name_or_path, output_dir, to = "prepared", precision = "auto";
    bool overwrite_output_dir = false;
};

template <class Visitor>
void describe(Visitor& visit, ConvertOptions& o) {
    visit("to", o.to, "prepared (for the processor this runs on), or safetensors (back, as other tools read it)");
    visit("precision", o.precision, "of a prepared model: auto, fp32, bf16 or int8");
    visit("overwrite_output_dir", o.overwrite_output_dir, "write into an output folder that is not empty");
}

void run(const ConvertOptions& o) {
    if (o.to != "prepared" && o.to != "safetensors")
        fail_usage("to: '{}' given; expected prepared or safetensors", o.to);
    check_output_dir(o.output_dir, o.model_name_or_path, o.overwrite_output_dir);
    if (engine::is_prepared(o.model_name_or_path) != (o.to == "safetensors"))
        fail_usage("{} is {} already", o.model_name_or_path, o.to == "prepared" ? "prepared" : "a checkpoint");
    const OutputFolder output(o.output_dir);
    nlohmann::json summary{{"output_dir", o.output_dir}, {"to", o.to}};
    if (o.to == "prepared") {
        engine::prepare(o.model_name_or_path, engine::parse_precision(o.precision), o.output_dir);
        const auto metadata = engine::prepared_metadata(o.output_dir);
        summary["precision"] = metadata.at("precision");
        summary["target"] = metadata.at("target");
    } else {
        engine::restore(o.model_name_or_path, o.output_dir);
    }
    print_result(summary);
}

}  // namespace

void add_convert(CLI::App& app, const Session&) {
    auto* command = app.add_subcommand(
        "convert", "Pack a checkpoint's weights for this processor, so that it loads at once; or turn it back");
    auto o = std::make_shared<ConvertOptions>();
    command->add_option("--model_name_or_path", o->model_name_or_path, "checkpoint directory")->required();
    command->add_option("--output_dir", o->output_dir, "where the converted model goes")->required();
    bind(*command, "Conversion", *o);
    command->callback([o] { run(*o); });
}

}  // namespace moebert::cli
