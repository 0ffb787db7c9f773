#include "train/processes.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef MOEBERT_CUDA
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#else
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif

#include "core/error.h"

namespace moebert {
namespace {

using std::chrono::milliseconds;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

#ifdef MOEBERT_CUDA

using Backend = c10d::ProcessGroupNCCL;

c10::intrusive_ptr<Backend> connect(const c10::intrusive_ptr<c10d::Store>& store, const World& world,
                                    milliseconds timeout) {
    auto options = Backend::Options::create();
    options->timeout = timeout;
    return c10::make_intrusive<Backend>(store, world.rank, world.size, options);
}

// What NCCL can send: it goes between GPUs alone.
torch::Tensor sendable(const torch::Tensor& tensor, const World& world) {
    return tensor.to(torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(world.local_rank)));
}

// Starts to add a tensor up in the process `root`. What it returns waits for the end.
std::function<void()> start_sum_at(Backend& backend, const World&, int root, int /*tag*/, const torch::Tensor& tensor) {
    std::vector<at::Tensor> tensors{tensor};
    c10d::ReduceOptions options;
    options.rootRank = root;
    return [work = backend.reduce(tensors, options)] { work->wait(); };
}

#else

using Backend = c10d::ProcessGroupGloo;

bool is_local(const std::string& address) {
    return address == "localhost" || address.starts_with("127.") || address.starts_with(kStoreFile);
}

// The interface that GLOO_SOCKET_IFNAME names; on one machine alone the loopback; else the host name's.
std::shared_ptr<gloo::transport::Device> device_for(const World& world) {
    const char* name = std::getenv("GLOO_SOCKET_IFNAME");
    if (name && *name) return Backend::createDeviceForInterface(name);
    if (is_local(world.master_address)) return Backend::createDeviceForHostname("127.0.0.1");
    return Backend::createDefaultDevice();
}

c10::intrusive_ptr<Backend> connect(const c10::intrusive_ptr<c10d::Store>& store, const World& world,
                                    milliseconds timeout) {
    auto options = Backend::Options::create(timeout);
    options->devices = {device_for(world)};
    return c10::make_intrusive<Backend>(store, world.rank, world.size, options);
}

torch::Tensor sendable(const torch::Tensor& tensor, const World&) { return tensor; }

// Gloo's own reduction goes around a ring and then to the root, which is more traffic than everyone's sending to it,
// and the roots of many tensors are different ones.
std::function<void()> start_sum_at(Backend& backend, const World& world, int root, int tag,
                                   const torch::Tensor& tensor) {
    std::vector<at::Tensor> own{tensor};
    if (world.rank != root) return [work = backend.send(own, root, tag)] { work->wait(); };
    struct Part {
        torch::Tensor tensor;
        c10::intrusive_ptr<c10d::Work> work;
    };
    std::vector<Part> parts;
    for (int rank = 0; rank < world.size; ++rank) {
        if (rank == root) continue;
        std::vector<at::Tensor> theirs{torch::empty_like(tensor)};
        parts.push_back({theirs.front(), backend.recv(theirs, rank, tag)});
    }
    return [tensor, parts = std::move(parts)] {
        for (const auto& part : parts) {
            part.work->wait();
            tensor.add_(part.tensor);
        }
    };
}

#endif

// By a file on one machine, where the launcher gave one; else the first process listens, on every interface.
c10::intrusive_ptr<c10d::Store> make_store(const World& world, milliseconds timeout) {
    if (world.master_address.starts_with(kStoreFile)) {
        auto store =
            c10::make_intrusive<c10d::FileStore>(world.master_address.substr(std::strlen(kStoreFile)), world.size);
        store->setTimeout(timeout);
        return store;
    }
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(world.master_port);
    options.isServer = world.rank == 0;
    options.numWorkers = static_cast<std::size_t>(world.size);
    options.timeout = timeout;
    return c10::make_intrusive<c10d::TCPStore>(world.master_address, options);
}

std::string meeting_place(const World& world) {
    if (world.master_address.starts_with(kStoreFile)) return world.master_address.substr(std::strlen(kStoreFile));
    return fmt::format("{}:{}", world.master_address, world.master_port);
}

}  // namespace

class Processes::Group {
public:
    Group(const World& world, milliseconds timeout) : rank(world.rank), size(world.size), world_(world) {
        try {
            store_ = make_store(world, timeout);
            backend_ = connect(store_, world, timeout);
        } catch (const std::exception& error) {
            fail("process {} of {}: can't reach the others at {}: {}", rank, size, meeting_place(world),
                 first_line(error.what()));
        }
    }

    // Starts `send`, which works in place and returns what waits for it. What this returns waits for the end.
    template <class Send>
    std::function<void()> start(const torch::Tensor& tensor, Send send) {
        return guarded([&]() -> std::function<void()> {
            const auto sent = sendable(tensor, world_);
            return [this, wait = send(sent), tensor, sent] {
                guarded(wait);
                if (!sent.is_same(tensor)) tensor.copy_(sent);
            };
        });
    }
    std::function<void()> start_sum(const torch::Tensor& tensor) {
        return start(tensor, [this](const torch::Tensor& sent) {
            std::vector<at::Tensor> tensors{sent};
            return [work = backend_->allreduce(tensors)] { work->wait(); };
        });
    }
    std::function<void()> start_sum_at(int root, const torch::Tensor& tensor) {
        return start(tensor, [this, root](const torch::Tensor& sent) {
            return moebert::start_sum_at(*backend_, world_, root, next_tag_++, sent);
        });
    }
    std::function<void()> start_broadcast(int root, const torch::Tensor& tensor) {
        return start(tensor, [this, root](const torch::Tensor& sent) {
            std::vector<at::Tensor> tensors{sent};
            c10d::BroadcastOptions options;
            options.rootRank = root;
            return [work = backend_->broadcast(tensors, options)] { work->wait(); };
        });
    }

    const int rank, size;

private:
    template <class Action>
    auto guarded(Action action) -> decltype(action()) {
        try {
            return action();
        } catch (const std::exception& error) {
            fail("process {} of {}: lost {}: {}", rank, size, missing(), first_line(error.what()));
        }
    }

    // Those that are left say so in the store, and who doesn't is the one that was lost.
    std::string missing() {
        using Clock = std::chrono::steady_clock;
        const auto end = Clock::now() + std::chrono::seconds(rank == 0 ? 5 : 3);  // the store is the first process's
        const auto key = [](int r) { return fmt::format("left/{}", r); };
        try {
            store_->set(key(rank), std::vector<std::uint8_t>{1});
            std::string names;
            while (Clock::now() < end) {
                names.clear();
                for (int r = 0; r < size; ++r)
                    if (!store_->check({key(r)})) names += fmt::format("{}process {}", names.empty() ? "" : ", ", r);
                if (names.empty()) return "the connection";
                std::this_thread::sleep_for(milliseconds(100));
            }
            return names;
        } catch (const std::exception&) {
            return "process 0";
        }
    }

    World world_;
    c10::intrusive_ptr<c10d::Store> store_;
    c10::intrusive_ptr<Backend> backend_;
    int next_tag_ = 0;  // the same in all processes
};

Processes::Processes() = default;
Processes::~Processes() = default;
Processes::Processes(Processes&&) noexcept = default;
Processes& Processes::operator=(Processes&&) noexcept = default;

Processes::Processes(const World& world, std::int64_t timeout) {
    if (world.size > 1) group_ = std::make_unique<Group>(world, std::chrono::seconds(timeout));
}

int Processes::rank() const { return group_ ? group_->rank : 0; }
int Processes::size() const { return group_ ? group_->size : 1; }

void Processes::sum(const torch::Tensor& tensor) const {
    if (group_) group_->start_sum(tensor)();
}

std::function<void()> Processes::sum_at_later(int root, const torch::Tensor& tensor) const {
    return group_ ? group_->start_sum_at(root, tensor) : [] {};
}

std::function<void()> Processes::broadcast_later(const torch::Tensor& tensor, int root) const {
    return group_ ? group_->start_broadcast(root, tensor) : [] {};
}

void Processes::broadcast(const torch::Tensor& tensor, int root) const { broadcast_later(tensor, root)(); }

std::string Processes::broadcast(const std::string& text) const {
    if (!group_) return text;
    const auto size = torch::tensor({static_cast<std::int64_t>(text.size())});
    broadcast(size);
    const auto bytes = torch::zeros({size.item<std::int64_t>()}, torch::kUInt8);
    if (is_first()) std::copy(text.begin(), text.end(), bytes.data_ptr<std::uint8_t>());
    if (bytes.numel() > 0) broadcast(bytes);
    return {reinterpret_cast<const char*>(bytes.data_ptr<std::uint8_t>()), static_cast<std::size_t>(bytes.numel())};
}

const Processes& alone() {
    static const Processes processes;
    return processes;
}

std::string first_finds(const Processes& processes, const std::function<std::string()>& find) {
    constexpr char kFound = '=', kFailed = '!', kUsage = '?';
    std::string answer;
    if (processes.is_first()) try {
            answer = kFound + find();
        } catch (const UsageError& error) {
            answer = kUsage + std::string(error.what());
        } catch (const std::exception& error) {
            answer = kFailed + std::string(error.what());
        }
    answer = processes.broadcast(answer);
    const auto text = answer.substr(1);
    if (answer.front() == kUsage) throw UsageError(text);
    if (answer.front() == kFailed) throw Error(text);
    return text;
}

}  // namespace moebert
