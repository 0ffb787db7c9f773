#include "core/world.h"

#include <gtest/gtest.h>

#include <map>

#include "io/support.h"

namespace moebert {
namespace {

World world_of(const std::map<std::string, std::string>& variables) {
    return read_world([&](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
}

TEST(World, IsOneProcessWithoutALauncher) {
    const auto world = world_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}});  // as in a batch script
    EXPECT_EQ(world.size, 1);
    EXPECT_TRUE(world.is_first());
}

TEST(World, IsWhatTorchrunSays) {
    const auto world = world_of({{"RANK", "5"},
                                 {"WORLD_SIZE", "8"},
                                 {"LOCAL_RANK", "1"},
                                 {"LOCAL_WORLD_SIZE", "4"},
                                 {"MASTER_ADDR", "node7"},
                                 {"MASTER_PORT", "1234"},
                                 {"SLURM_STEP_NUM_TASKS", "2"}});
    EXPECT_EQ(world.rank, 5);
    EXPECT_EQ(world.size, 8);
    EXPECT_EQ(world.local_rank, 1);
    EXPECT_EQ(world.local_size, 4);
    EXPECT_EQ(world.master_address, "node7");
    EXPECT_EQ(world.master_port, 1234);
}

TEST(World, KeepsOffThePortOfTorchrunsAgentAndOfTheRunBeforeARestart) {
    std::map<std::string, std::string> variables{{"RANK", "0"},
                                                 {"WORLD_SIZE", "2"},
                                                 {"MASTER_PORT", "29500"},
                                                 {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                                 {"TORCHELASTIC_RESTART_COUNT", "0"}};
    EXPECT_EQ(world_of(variables).master_port, 29501);
    variables["TORCHELASTIC_RESTART_COUNT"] = "2";
    EXPECT_EQ(world_of(variables).master_port, 29503);
    variables["MASTER_PORT"] = "65535";
    EXPECT_EQ(world_of(variables).master_port, 1026);
}

// Without --ntasks-per-node; nodes may have different numbers of tasks.
TEST(World, OfASlurmStepIsWhatTheNodeHas) {
    std::map<std::string, std::string> variables{{"SLURM_STEP_NUM_TASKS", "11"},
                                                 {"SLURM_PROCID", "0"},
                                                 {"SLURM_LOCALID", "0"},
                                                 {"SLURM_STEP_TASKS_PER_NODE", "4(x2),3"}};
    EXPECT_EQ(world_of(variables).local_size, 4);
    for (const auto& [node, tasks] : {std::pair{"1", 4}, {"2", 3}, {"9", 1}}) {
        variables["SLURM_NODEID"] = node;
        EXPECT_EQ(world_of(variables).local_size, tasks) << node;
    }
    for (const char* list : {"x", "4(", "4(x)", "0", ""}) {
        variables["SLURM_STEP_TASKS_PER_NODE"] = list;
        EXPECT_EQ(world_of(variables).local_size, 1) << list;
    }
}

TEST(World, IsASlurmStep) {
    const std::map<std::string, std::string> variables{
        {"SLURM_STEP_NUM_TASKS", "6"},  {"SLURM_PROCID", "4"},     {"SLURM_LOCALID", "1"},
        {"SLURM_NTASKS_PER_NODE", "3"}, {"SLURM_JOB_ID", "74123"}, {"SLURM_STEP_NODELIST", "gpu[03-04,09],big1"}};
    const auto world = world_of(variables);
    EXPECT_EQ(world.rank, 4);
    EXPECT_EQ(world.size, 6);
    EXPECT_EQ(world.local_rank, 1);
    EXPECT_EQ(world.local_size, 3);
    EXPECT_EQ(world.master_address, "gpu03");
    EXPECT_EQ(world.master_port, 24123);
    for (const auto& [list, first] : {std::pair{"n1", "n1"}, {"n1,n2", "n1"}, {"a[7]", "a7"}, {"a[7,9]-x,b", "a7-x"}}) {
        auto other = variables;
        other["SLURM_STEP_NODELIST"] = list;
        EXPECT_EQ(world_of(other).master_address, first);
    }
}

TEST(World, IsOpenMpis) {
    std::map<std::string, std::string> variables{{"OMPI_COMM_WORLD_SIZE", "4"},
                                                 {"OMPI_COMM_WORLD_RANK", "3"},
                                                 {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                                 {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}};
    EXPECT_ERROR(world_of(variables), "MASTER_ADDR is not set");
    variables["MASTER_ADDR"] = "head";
    EXPECT_EQ(world_of(variables).rank, 3);
    EXPECT_EQ(world_of(variables).local_rank, 1);
    EXPECT_EQ(world_of(variables).master_address, "head");
}

TEST(World, RefusesVariablesThatMakeNoSense) {
    EXPECT_ERROR(world_of({{"WORLD_SIZE", "2"}}), "environment: RANK is not set, but WORLD_SIZE is; both are needed");
    EXPECT_ERROR(world_of({{"WORLD_SIZE", "2"}, {"RANK", "2"}}),
                 "environment: RANK: '2' given; expected a number from 0 to 1");
    EXPECT_ERROR(world_of({{"WORLD_SIZE", "x"}, {"RANK", "0"}}), "WORLD_SIZE: 'x' given");
    EXPECT_ERROR(world_of({{"MASTER_PORT", "65536"}}), "MASTER_PORT: '65536' given; expected a number from 1 to 65535");
}

}  // namespace
}  // namespace moebert
