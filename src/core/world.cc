#include "core/world.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "core/error.h"

namespace moebert {
namespace {

class Reader {
public:
    explicit Reader(const Environment& environment) : environment_(environment) {}

    std::optional<std::string> text(const char* name) const {
        auto value = environment_(name);
        return value && !value->empty() ? value : std::nullopt;
    }

    std::optional<int> number(const char* name, int least, int most) const {
        const auto value = text(name);
        if (!value) return std::nullopt;
        int number = 0;
        const auto* end = value->data() + value->size();
        const auto [rest, error] = std::from_chars(value->data(), end, number);
        if (error != std::errc{} || rest != end || number < least || number > most)
            fail_usage("environment: {}: '{}' given; expected a number from {} to {}", name, *value, least, most);
        return number;
    }

    int needed(const char* name, int least, int most, const char* because) const {
        const auto value = number(name, least, most);
        if (!value) fail_usage("environment: {} is not set, but {} is; both are needed", name, because);
        return *value;
    }

private:
    const Environment& environment_;
};

constexpr int kMost = 1 << 20;

// The first of "node[03-07,9],other": "node03".
std::string first_host(const std::string& list) {
    const auto bracket = list.find_first_of("[,");
    if (bracket == std::string::npos || list[bracket] == ',') return list.substr(0, bracket);
    const auto end = list.find_first_of("-,]", bracket);
    const auto close = list.find(']', bracket);
    const auto after = close == std::string::npos ? "" : list.substr(close + 1, list.find(',', close) - close - 1);
    return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1) + after;
}

// How many of a Slurm step's tasks are on node number `node`, out of "4(x2),3"; nothing where that isn't understood.
std::optional<int> tasks_on_node(const std::string& list, int node) {
    std::istringstream in(list);
    for (std::string part; std::getline(in, part, ',');) {
        int tasks = 0, nodes = 1;
        const auto* end = part.data() + part.size();
        auto [rest, error] = std::from_chars(part.data(), end, tasks);
        if (error != std::errc{} || tasks < 1) return std::nullopt;
        if (rest != end) {
            const std::string_view times(rest, end);
            if (!times.starts_with("(x") || !times.ends_with(")")) return std::nullopt;
            if (std::from_chars(rest + 2, end - 1, nodes).ptr != end - 1 || nodes < 1) return std::nullopt;
        }
        if (node < nodes) return tasks;
        node -= nodes;
    }
    return std::nullopt;
}

struct Names {
    const char *size, *rank, *local_rank, *local_size;
};

World read(const Reader& reader, const Names& names) {
    World world;
    world.size = *reader.number(names.size, 1, kMost);
    world.rank = reader.needed(names.rank, 0, world.size - 1, names.size);
    world.local_size = reader.number(names.local_size, 1, world.size).value_or(1);
    world.local_rank = reader.number(names.local_rank, 0, kMost).value_or(0);
    if (world.local_rank >= world.local_size) world.local_size = world.local_rank + 1;
    return world;
}

}  // namespace

Environment process_environment() {
    return [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value ? std::optional<std::string>(value) : std::nullopt;
    };
}

World read_world(const Environment& environment) {
    const Reader reader(environment);
    World world;
    const bool torchrun = reader.text("WORLD_SIZE").has_value();
    // Of a step that srun started; a batch script has SLURM_PROCID and SLURM_NTASKS too, but is one process.
    const bool slurm = !torchrun && reader.text("SLURM_STEP_NUM_TASKS");
    const bool open_mpi = !torchrun && !slurm && reader.text("OMPI_COMM_WORLD_SIZE");
    if (torchrun) {
        world = read(reader, {"WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"});
    } else if (slurm) {
        world = read(reader, {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"});
        const auto counts = reader.text("SLURM_STEP_TASKS_PER_NODE");
        if (const auto tasks =
                counts ? tasks_on_node(*counts, reader.number("SLURM_NODEID", 0, kMost).value_or(0)) : std::nullopt)
            world.local_size = std::max(world.local_rank + 1, std::min(*tasks, world.size));
        world.may_have_own_cores = true;
        if (const auto hosts = reader.text("SLURM_STEP_NODELIST")) world.master_address = first_host(*hosts);
        if (const auto job = reader.number("SLURM_JOB_ID", 0, 2147483647)) world.master_port = 20000 + *job % 10000;
    } else if (open_mpi) {
        world = read(reader, {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK",
                              "OMPI_COMM_WORLD_LOCAL_SIZE"});
        world.may_have_own_cores = true;
    }
    const auto address = reader.text("MASTER_ADDR");
    if (address) world.master_address = *address;
    if (world.size > 1 && open_mpi && world.size > world.local_size && !address)
        fail_usage("environment: MASTER_ADDR is not set; with processes on several machines it names rank 0's");
    if (const auto port = reader.number("MASTER_PORT", 1, 65535)) world.master_port = *port;
    // torchrun's agent listens on that port itself, in a protocol that changes with PyTorch's version; and after a
    // restart the port before may not be free yet.
    if (reader.text("TORCHELASTIC_USE_AGENT_STORE") == "True") {
        const int restarts = reader.number("TORCHELASTIC_RESTART_COUNT", 0, kMost).value_or(0);
        world.master_port = 1024 + (world.master_port - 1024 + 1 + restarts % 100 + 64512) % 64512;
    }
    return world;
}

}  // namespace moebert
