#include "command_line.h"
#include "commands.h"
#include "io/file.h"
#include "moe/importance.h"
#include "tasks/outputs.h"

namespace moebert::cli {

void add_merge_importance(CLI::App& app, const Session&) {
    auto* command =
        app.add_subcommand("merge-importance", "Add up the scores of several processes; the inputs are kept");
    struct Options {
        std::vector<std::filesystem::path> files;
        std::string output_file;
        bool overwrite = false;
    };
    auto options = std::make_shared<Options>();
    command->add_option("files", options->files, "the processes' files, .safetensors or .pkl")
        ->required()
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command->add_option("--output_file", options->output_file, "where the sums go, .safetensors or .pkl")->required();
    command->add_flag("--overwrite_output_dir", options->overwrite, "write over a file that is there already");
    command->callback([options] {
        if (std::filesystem::exists(options->output_file) && !options->overwrite)
            fail_usage("{}: is there already; give --overwrite_output_dir to write over it", options->output_file);
        check_is_no_input(options->output_file, options->files);
        check_can_write(options->output_file);
        const auto merged = merge_importance(options->files);
        make_folder(std::filesystem::path(options->output_file).parent_path());
        save_importance(options->output_file, merged);
        const nlohmann::json summary{
            {"file", options->output_file}, {"parts", options->files.size()}, {"examples", merged.source.examples}};
        print_result(summary);
    });
}

}  // namespace moebert::cli
