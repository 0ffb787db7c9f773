// The processes that do one job together, as the launcher that started them says.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

namespace moebert {

constexpr const char* kStoreFile = "file:";

struct World {
    int rank = 0, size = 1;                    // of all processes
    int local_rank = 0, local_size = 1;        // of those on this machine
    std::string master_address = "127.0.0.1";  // or kStoreFile and a file, by which processes of one machine meet
    int master_port = 29500;                   // where rank 0 listens
    // Slurm and Open MPI may give each process cores of its own.
    bool may_have_own_cores = false;

    bool is_first() const { return rank == 0; }
};

// A variable of the environment, or nothing.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

Environment process_environment();

// Out of torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT), else those of
// a Slurm step, else Open MPI's; without any, one process. A UsageError where they contradict themselves.
World read_world(const Environment& environment = process_environment());

// What a job that is shared among processes needs to know: which part is this one's, and how results come together.
struct Share {
    int rank = 0, size = 1;
    bool is_first() const { return rank == 0; }
    // Every process's values are replaced by the sum over all of them. Empty with one process.
    std::function<void(std::span<float>)> sum = {};
};

}  // namespace moebert
