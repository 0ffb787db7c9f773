// Several processes, as threads of this one: what they share is only what they send.
#include <ATen/Parallel.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "train/deal.h"
#include "train/evaluation.h"
#include "train/job_common.h"
#include "train/losses.h"
#include "train/support.h"
#include "train/trainer.h"

namespace moebert {
namespace {

using test::random_features;

int free_port() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener, any, size), 0);
    EXPECT_EQ(::getsockname(listener, any, &size), 0);
    ::close(listener);
    return ntohs(address.sin_port);
}

// NCCL takes a GPU for each process.
bool can_run_together(int size) {
#ifdef MOEBERT_CUDA
    return static_cast<int>(torch::cuda::device_count()) >= size;
#else
    return size > 0;
#endif
}
constexpr const char* kTooFewGpus = "this build exchanges by NCCL, and there are fewer GPUs than processes";

// `job` in every one of `size` processes.
template <class Job>
void run_together(int size, Job job) {
    const int port = free_port();
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank)
        threads.emplace_back([&, rank] {
            at::set_num_threads(1);
            World world;
            world.rank = world.local_rank = rank;
            world.size = size;
            world.master_port = port;
            try {
                const Processes processes(world, 60);
                job(processes);
            } catch (const std::exception& error) {
                ADD_FAILURE() << "process " << rank << ": " << error.what();
            }
        });
    for (auto& thread : threads) thread.join();
}

TEST(Processes, AddUpAndBroadcast) {
    if (!can_run_together(3)) GTEST_SKIP() << kTooFewGpus;
    run_together(3, [](const Processes& processes) {
        const auto tensor = torch::full({5}, static_cast<float>(processes.rank() + 1));
        processes.sum(tensor);
        EXPECT_TRUE(tensor.eq(6.0F).all().item<bool>());
        const auto at_last = torch::full({5}, static_cast<float>(processes.rank() + 1));
        processes.sum_at_later(2, at_last)();
        if (processes.rank() == 2) {
            EXPECT_TRUE(at_last.eq(6.0F).all().item<bool>());
        }
        const auto from_second = torch::full({5}, static_cast<float>(processes.rank()));
        processes.broadcast(from_second, 1);
        EXPECT_TRUE(from_second.eq(1.0F).all().item<bool>());
        const auto doubles = torch::ones({2}, torch::kFloat64);
        processes.sum(doubles);
        EXPECT_EQ(doubles[1].item<double>(), 3.0);
        EXPECT_EQ(processes.broadcast(processes.is_first() ? std::string("folder") : ""), "folder");
        EXPECT_EQ(processes.broadcast(std::string()), "");
    });
}

TEST(Processes, DoNothingAlone) {
    const auto tensor = torch::ones({2});
    alone().sum(tensor);
    EXPECT_EQ(tensor[0].item<float>(), 1.0F);
    EXPECT_EQ(alone().broadcast(std::string("x")), "x");
}

TEST(Processes, NameTheOneThatIsLost) {
    if (!can_run_together(3)) GTEST_SKIP() << kTooFewGpus;
    std::string message;
    run_together(3, [&](const Processes& processes) {
        if (processes.rank() == 2) return;  // its connections close
        try {
            for (int i = 0; i < 1000; ++i) processes.sum(torch::ones({1}));
        } catch (const Error& error) {
            if (processes.rank() == 0) message = error.what();
        }
    });
    EXPECT_PRED2(test::contains, message, "process 0 of 3: lost process 2: ");
}

TEST(Deal, GivesEverySentenceToOneProcessAndAboutEquallyManyTokens) {
    const auto features = random_features(40, 3);
    for (const int size : {1, 2, 3, 7}) {
        const auto sentences = test::first_indices(size == 7 ? 5 : 40);
        std::multiset<std::int64_t> seen;
        std::int64_t least = 1 << 30, most = 0;
        for (int rank = 0; rank < size; ++rank) {
            const auto own = deal_sentences(features, sentences, rank, size);
            EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
            seen.insert(own.begin(), own.end());
            least = std::min(least, count_tokens(features, own));
            most = std::max(most, count_tokens(features, own));
        }
        EXPECT_EQ(std::vector<std::int64_t>(seen.begin(), seen.end()), sentences);
        if (size < 7) {
            EXPECT_LE(most - least, 20);  // the longest sentence
        }
    }
}

class TogetherBase : public test::InFolder {
protected:
    void SetUp() override {
        if (!can_run_together(4)) GTEST_SKIP() << kTooFewGpus;
    }

    struct Trained {
        TensorMap weights;
        std::vector<nlohmann::json> log;
    };

    static std::string name_of(RouteMethod method, int size) { return fmt::format("{}-{}", to_string(method), size); }

    // Sentences of `features` in steps of 16 altogether; from the beginning, or on from a checkpoint.
    Trained train_on(const Processes& processes, RouteMethod method, const std::vector<Feature>& features,
                     const std::optional<std::filesystem::path>& checkpoint = {}) const {
        TrainOptions options;
        options.output_dir = folder / (name_of(method, processes.size()) + (checkpoint ? "-resumed" : ""));
        options.save_strategy = "steps";
        options.save_steps = 20;
        options.per_device_train_batch_size = 16 / processes.size();
        options.learning_rate = 1e-3;
        options.adam_epsilon = 1e-2;  // with the usual one a step is the gradient's sign, to which rounding matters
        options.max_steps = 50;
        options.logging_steps = 1;
        const auto teacher = load_model(test::dense_checkpoint("cls3"));
        auto student =
            load_model(checkpoint ? load_checkpoint(*checkpoint) : test::student_checkpoint("cls3", method), 0, true);
        student.config.hidden_dropout_prob = student.config.attention_probs_dropout_prob = 0.0;
        TrainingJob job{.model = student, .features = features, .processes = processes};
        job.checkpoint = checkpoint;
        job.terms = {"task", "hidden", "prediction", "balance"};
        job.loss = [&](const Batch& batch, const ForwardOptions& forward_options, StepShare share) {
            const auto [loss, load] = test::distil_step(teacher, student, batch, forward_options, {2.0, 0.5}, share);
            return StepLoss{loss.total, {loss.task, loss.hidden, loss.prediction, loss.balance}, load};
        };
        train(job, options, {});
        Trained trained{model_tensors(student), {}};
        if (!processes.is_first()) return trained;
        std::istringstream in(test::slurp(std::filesystem::path(options.output_dir) / "train_log.jsonl"));
        for (std::string line; std::getline(in, line);) trained.log.push_back(nlohmann::json::parse(line));
        return trained;
    }

    // What the first process has.
    Trained train_together(int size, RouteMethod method, const std::vector<Feature>& features,
                           const std::optional<std::filesystem::path>& checkpoint = {}) const {
        std::vector<Trained> trained(static_cast<std::size_t>(size));
        run_together(size, [&](const Processes& processes) {
            trained[static_cast<std::size_t>(processes.rank())] = train_on(processes, method, features, checkpoint);
        });
        for (const auto& other : trained)
            for (const auto& [name, tensor] : other.weights)
                EXPECT_TRUE(test::same(tensor, trained[0].weights.at(name))) << name;
        return trained[0];
    }

    static void expect_same_losses(std::span<const nlohmann::json> found, std::span<const nlohmann::json> expected) {
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t i = 0; i < found.size(); ++i)
            for (const auto* name :
                 {"loss", "loss_task", "loss_hidden", "loss_prediction", "loss_balance", "grad_norm"}) {
                const double value = expected[i].at(name);
                EXPECT_NEAR(found[i].at(name).get<double>(), value, 2e-4 * std::max(1.0, std::abs(value)))
                    << name << " of step " << found[i].at("step");
            }
    }
};

class Together : public TogetherBase, public testing::WithParamInterface<RouteMethod> {};

// 42 sentences: the last step of an epoch has 10, which four processes can't share equally.
TEST_P(Together, AnyNumberOfProcessesTakesTheSameSteps) {
    const auto features = random_features(42, 3);
    const auto whole = train_on(alone(), GetParam(), features);
    ASSERT_EQ(whole.log.size(), 50U);
    for (const int size : {2, 4}) {
        const auto trained = train_together(size, GetParam(), features);
        expect_same_losses(trained.log, whole.log);
        EXPECT_EQ(trained.log[0].at("expert_load"), whole.log[0].at("expert_load"));
    }
}

TEST_P(Together, AnotherNumberOfProcessesGoesOn) {
    const auto features = random_features(42, 3);
    const auto whole = train_on(alone(), GetParam(), features);
    train_together(2, GetParam(), features);
    const auto rest = std::span(whole.log).subspan(20);
    const auto by_one = folder / name_of(GetParam(), 1) / "checkpoint-20",
               by_two = folder / name_of(GetParam(), 2) / "checkpoint-20";
    expect_same_losses(train_together(4, GetParam(), features, by_two).log, rest);
    expect_same_losses(train_together(2, GetParam(), features, by_one).log, rest);
    expect_same_losses(train_on(alone(), GetParam(), features, by_two).log, rest);
}
INSTANTIATE_TEST_SUITE_P(Routing, Together,
                         testing::Values(RouteMethod::hash_random, RouteMethod::hash_balance, RouteMethod::gate_token,
                                         RouteMethod::gate_sentence),
                         [](const testing::TestParamInfo<RouteMethod>& method) {
                             auto name = to_string(method.param);
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST_F(TogetherBase, ScoresAndLogitsAreThoseOfOneProcess) {
    const auto features = random_features(23, 3);
    const auto model = load_model(test::student_checkpoint("cls3", RouteMethod::gate_token));
    const auto dense = load_model(test::dense_checkpoint("cls3"));
    const auto expected = run_model(model, features, {4, torch::kFloat32, nullptr});
    const auto scores = measure_importance(dense, features, 3, torch::kFloat32, {}, alone(), {});
    run_together(3, [&](const Processes& processes) {
        const auto found = run_model(model, features, {4, torch::kFloat32, &processes});
        EXPECT_EQ(found.logits, expected.logits);
        EXPECT_EQ(found.tokens, expected.tokens);
        EXPECT_EQ(found.expert_load, expected.expert_load);
        const auto own = measure_importance(dense, features, 3, torch::kFloat32, {}, processes, {});
        EXPECT_EQ(own.source.examples, 23);
        for (std::size_t k = 0; k < scores.scores.size(); ++k)
            for (std::size_t j = 0; j < 64; ++j)
                EXPECT_NEAR(own.scores[k][j], scores.scores[k][j], 1e-5 * scores.scores[k][j] + 1e-9);
    });
}

}  // namespace
}  // namespace moebert
