// The processes of one training job and what they exchange, over PyTorch's c10d: Gloo between CPUs, and in a build for
// GPUs NCCL between these.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/sink.h"
#include "core/world.h"
#include "train/torch.h"

namespace moebert {

// All processes must call the same functions in the same order. With one process nothing is sent, and all of them do
// nothing. When a process is lost the others' calls throw an Error that names it.
class Processes {
public:
    Processes();  // this one alone
    // Waits for the others. `timeout`, in seconds, is for that and for every exchange.
    explicit Processes(const World& world, std::int64_t timeout = 1800);
    ~Processes();
    Processes(Processes&&) noexcept;
    Processes& operator=(Processes&&) noexcept;

    int rank() const;
    int size() const;
    bool is_first() const { return rank() == 0; }

    // Every process's tensor becomes the sum over all of them, the same bits everywhere.
    void sum(const torch::Tensor& tensor) const;

    // The sum, in the process `root` alone; what the others' tensors hold afterwards is of no use. In the background:
    // it is done when the function returned has been called.
    std::function<void()> sum_at_later(int root, const torch::Tensor& tensor) const;

    // The process `root`'s, everywhere.
    void broadcast(const torch::Tensor& tensor, int root = 0) const;
    std::function<void()> broadcast_later(const torch::Tensor& tensor, int root = 0) const;
    std::string broadcast(const std::string& text) const;

private:
    class Group;
    std::unique_ptr<Group> group_;  // none when alone
};

// This process alone.
const Processes& alone();

// What the first process finds, everywhere. An Error that it throws too: no process is left to guess why it is lost.
std::string first_finds(const Processes& processes, const std::function<std::string()>& find);

}  // namespace moebert
