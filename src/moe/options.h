// How a mixture of experts is to be made; each option also under the name of the authors' script.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/options.h"
#include "core/sink.h"
#include "moe/build_student.h"

namespace moebert {

struct MoeOptions {
    std::string route_method = "hash-random";
    std::int64_t num_experts = 4;
    std::optional<std::int64_t> expert_size, shared_size;  // absent: by the model's intermediate_size
    std::optional<double> expert_dropout;                  // absent: a student's own, or MoeConfig's
    std::string split_method = "importance";
    std::string importance_file;
    std::string hash_list;
};

template <class Visitor>
void describe(Visitor& visit, MoeOptions& o) {
    visit("route_method", o.route_method, "hash-random, hash-balance, gate-token or gate-sentence",
          {"moebert_route_method"});
    visit("num_experts", o.num_experts, "experts a layer", {"moebert_expert_num"});
    visit("expert_size", o.expert_size, "neurons an expert (a quarter of the model's feed-forward width)",
          {"moebert_expert_dim"});
    visit("shared_size", o.shared_size, "most important neurons, which every expert gets (a sixth of the width)",
          {"moebert_share_importance"});
    visit("expert_dropout", o.expert_dropout, "dropout after an expert, in training (0.1, or a given student's)",
          {"moebert_expert_dropout"});
    visit("split_method", o.split_method,
          "deal neurons out by importance, at random, or inverse (least important first)");
    visit("importance_file", o.importance_file, "scores made by `moebert importance` or the authors' .pkl",
          {"moebert_load_importance"});
    visit("hash_list", o.hash_list,
          "for hash-balance: the list made by `moebert hash-balance`, or the authors' .pkl (distill makes one of the "
          "training data)",
          {"moebert_route_hash_list"});
}

// Of a model with so many feed-forward neurons a layer. Sizes that are not given are those of the paper in proportion,
// 768 and 512 of 3072, as far as the number of experts and the size that is given allow.
MoeConfig moe_config(const MoeOptions& options, std::int64_t intermediate_size);
// A warning for each that was given, but that the others leave without effect.
void warn_of_unused(const MoeOptions& options, const Sink& sink);
StudentPlan student_plan(const MoeOptions& options, const ModelConfig& dense, std::int64_t seed);

}  // namespace moebert
