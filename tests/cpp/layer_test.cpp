// Tests imle.hpp against imle.h: both give the same bits, and imle.hpp makes the checks that C cannot make. run.sh
// compiles this file as C++17 and C++20, with and without exceptions.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "imle.hpp"

namespace {

using Floats = std::vector<float>;
using Indices = std::vector<std::uint32_t>;

int failures = 0;

void check(bool good, const char *what, int line) {
    if (!good) {
        std::printf("layer_test.cpp:%d: %s\n", line, what);
        failures++;
    }
}

#define CHECK(condition) check((condition), #condition, __LINE__)

imle::status of(imle_status status) {
    return imle::status{status};
}

bool same(const Floats &a, const Floats &b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Outputs start with a value that no call writes.
constexpr float UNTOUCHED = 77.0f;

bool untouched(const Floats &values) {
    for (const float value : values) {
        if (value != UNTOUCHED) {
            return false;
        }
    }
    return true;
}

// The sizes of most tests. Rows are LD apart.
constexpr std::uint32_t B = 5, N = 19, K = 4, S = 3;
constexpr std::size_t LD = 23, ROWS = (B - 1) * LD + N;

imle::shape the_shape(std::uint32_t k = K) {
    return imle::shape().rows(B).n(N).k(k).samples(S);
}

imle::options the_options() {
    return imle::options().lambda(3.0f).temperature(0.5f).target_temperature(0.25f).alpha(0.75f);
}

constexpr float TEMPERATURE = 0.75f;
const imle::key KEY = imle::key().seed(11).step(7).row0(1'000'000'000'000);

Floats numbers(std::size_t count, unsigned seed) {
    Floats values(count);
    for (float &value : values) {
        seed = seed * 1664525u + 1013904223u;
        value = static_cast<float>(seed >> 24) / 64.0f - 2.0f;
    }
    return values;
}

// Scores with ties and masks.
Floats the_theta() {
    Floats theta = numbers(ROWS, 1);
    for (std::size_t i = 0; i < theta.size(); i += 7) {
        theta[i] = -std::numeric_limits<float>::infinity();
    }
    return theta;
}

// All outputs of the calls of a layer.
struct Outputs {
    Floats map_z, z, marginals, grad_per_sample, grad_shared, grad_strided;
    Indices map_indices, indices;
    imle_diagnostics counts{};

    explicit Outputs(std::uint32_t k)
        : map_z(B * N, UNTOUCHED), z(B * S * N, UNTOUCHED), marginals(B * N, UNTOUCHED),
          grad_per_sample(B * N, UNTOUCHED), grad_shared(B * N, UNTOUCHED), grad_strided(ROWS, UNTOUCHED),
          map_indices(B * k), indices(B * S * k) {}

    bool operator==(const Outputs &o) const {
        return same(map_z, o.map_z) && same(z, o.z) && same(marginals, o.marginals) &&
               same(grad_per_sample, o.grad_per_sample) && same(grad_shared, o.grad_shared) &&
               same(grad_strided, o.grad_strided) && map_indices == o.map_indices && indices == o.indices &&
               counts.states == o.counts.states && counts.unchanged == o.counts.unchanged &&
               counts.nonzeros == o.counts.nonzeros;
    }
};

// Makes all calls of a layer. The strided dz has gaps between its samples and rows.
template <class Layer>
Outputs through_cpp(const Layer &layer, std::uint32_t k) {
    const Floats theta = the_theta(), dz = numbers(B * S * LD, 2);
    const imle::rows<const float> rows(theta, LD);
    Outputs out(k);
    Floats work(layer.workspace_len());
    CHECK(layer.map(rows, {out.map_z, out.map_indices}, work) == imle::status::ok);
    CHECK(layer.sample(KEY, rows, {out.z, out.indices, out.marginals}, work) == imle::status::ok);
    CHECK(layer.gradient(KEY, rows, imle::dz::per_sample(dz), {}, out.grad_per_sample, work) == imle::status::ok);
    CHECK(layer.gradient(KEY, rows, imle::dz::shared(dz), out.indices, out.grad_shared, work) == imle::status::ok);
    CHECK(layer.gradient(KEY, rows, imle::dz::strided(dz, S * LD, LD), {}, {out.grad_strided, LD}, work,
                         &out.counts) == imle::status::ok);
    return out;
}

// Makes the same calls through the three C functions of a family.
template <class Map, class Sample, class Gradient>
Outputs through_c(std::uint32_t k, const Map &map, const Sample &sample, const Gradient &gradient) {
    const Floats theta = the_theta(), dz = numbers(B * S * LD, 2);
    const imle::shape shape = the_shape(k);
    const imle::options options = the_options();
    Outputs out(k);
    Floats work(3 * N);
    CHECK(map(&shape.c(), theta.data(), out.map_z.data(), out.map_indices.data(), work) == IMLE_OK);
    CHECK(sample(&shape.c(), &options.c(), theta.data(), out, work) == IMLE_OK);
    const auto grad = [&](std::size_t row, std::size_t s, const std::uint32_t *indices, float *to, std::size_t ld,
                          imle_diagnostics *counts) {
        return gradient(&shape.c(), &options.c(), theta.data(), dz.data(), row, s, indices, to, ld, counts, work);
    };
    CHECK(grad(0, N, nullptr, out.grad_per_sample.data(), 0, nullptr) == IMLE_OK);
    CHECK(grad(0, 0, out.indices.data(), out.grad_shared.data(), 0, nullptr) == IMLE_OK);
    CHECK(grad(S * LD, LD, nullptr, out.grad_strided.data(), LD, &out.counts) == IMLE_OK);
    return out;
}

Outputs topk_through_c(const std::uint32_t *k_row) {
    return through_c(
        K,
        [=](auto *shape, auto *theta, auto *z, auto *indices, Floats &work) {
            return imle_topk_map(shape, k_row, theta, LD, z, indices, work.data(), work.size());
        },
        [=](auto *shape, auto *options, auto *theta, Outputs &out, Floats &work) {
            return imle_topk_sample(shape, k_row, options, &KEY.c(), theta, LD, out.z.data(), out.indices.data(),
                                    out.marginals.data(), work.data(), work.size());
        },
        [=](auto *shape, auto *options, auto *theta, auto *dz, auto row, auto s, auto *indices, auto *to, auto ld,
            auto *counts, Floats &work) {
            return imle_topk_gradient(shape, k_row, options, &KEY.c(), theta, LD, dz, row, s, indices, to, ld, counts,
                                      work.data(), work.size());
        });
}

Outputs argmax_through_c() {
    return through_c(
        1,
        [](auto *shape, auto *theta, auto *z, auto *indices, Floats &work) {
            return imle_argmax_map(shape, theta, LD, z, indices, work.data(), work.size());
        },
        [](auto *shape, auto *options, auto *theta, Outputs &out, Floats &work) {
            return imle_argmax_sample(shape, options, &KEY.c(), theta, LD, out.z.data(), out.indices.data(),
                                      out.marginals.data(), work.data(), work.size());
        },
        [](auto *shape, auto *options, auto *theta, auto *dz, auto row, auto s, auto *indices, auto *to, auto ld,
           auto *counts, Floats &work) {
            return imle_argmax_gradient(shape, options, &KEY.c(), theta, LD, dz, row, s, indices, to, ld, counts,
                                        work.data(), work.size());
        });
}

void choices_give_the_bits_of_c() {
    CHECK(through_cpp(imle::topk(the_shape(), the_options()), K) == topk_through_c(nullptr));
    const Indices k_row = {4, 0, 1, 3, 2};
    CHECK(through_cpp(imle::topk(the_shape(), the_options()).k_row(k_row), K) == topk_through_c(k_row.data()));
    CHECK(through_cpp(imle::argmax(the_shape(1), the_options()), 1) == argmax_through_c());
}

void exact_trees_give_the_bits_of_c(const imle::shape &shape, const imle::tree_options &trees, const Floats &theta,
                                    const Floats &dz, const Indices &n_row) {
    const std::size_t arcs = shape.c().n, words = shape.c().k;
    const imle::exact_tree layer = imle::exact_tree(shape, TEMPERATURE, trees).n_row(n_row);
    const Floats v(dz.begin(), dz.begin() + static_cast<std::ptrdiff_t>(B * arcs)), other = numbers(B * arcs, 4), losses = numbers(B * S, 5);
    Floats work(layer.workspace_len()), mu[2], a[2], h[2], vjp[2], z[2], log_prob[2], kl[2], grads[2][3];
    Indices indices[2];
    for (int i : {0, 1}) {
        for (Floats *out : {&mu[i], &vjp[i], &grads[i][0], &grads[i][1], &grads[i][2]})
            out->assign(B * arcs, UNTOUCHED);
        for (Floats *out : {&a[i], &h[i], &kl[i]}) out->assign(B, UNTOUCHED);
        z[i].assign(B * S * arcs, UNTOUCHED);
        log_prob[i].assign(B * S, UNTOUCHED);
        indices[i].assign(B * S * words, 7);
    }
    const auto per_sample = imle::dz::per_sample(dz);
    CHECK(layer.marginals(theta, {mu[0], a[0], h[0]}, work) == imle::status::ok);
    CHECK(layer.marginals_vjp(theta, v, vjp[0], work) == imle::status::ok);
    CHECK(layer.sample(KEY, theta, {z[0], indices[0]}, work) == imle::status::ok);
    CHECK(layer.log_prob(theta, indices[0], log_prob[0], work) == imle::status::ok);
    CHECK(layer.kl(theta, other, kl[0], work) == imle::status::ok);
    CHECK(layer.simple(theta, per_sample, grads[0][0], work) == imle::status::ok);
    CHECK(layer.score_function(theta, indices[0], losses, grads[0][1]) == imle::status::ok);
    CHECK(layer.unbiased_simple(theta, indices[0], per_sample, losses, grads[0][2], work) == imle::status::ok);

    const imle_shape *s = &shape.c();
    const imle_tree_options *t = &trees.c();
    const std::uint32_t *n = n_row.data();
    const float T = TEMPERATURE, *th = theta.data();
    float *w = work.data();
    const std::size_t len = imle_tree_exact_workspace_len(s, t);
    CHECK(len == work.size() && len == IMLE_TREE_EXACT_WORKSPACE_LEN(words, t->projective, t->single_root));
    CHECK(imle_tree_marginals(s, n, t, T, th, 0, mu[1].data(), a[1].data(), h[1].data(), w, len) == IMLE_OK);
    CHECK(imle_tree_marginals_vjp(s, n, t, T, th, 0, v.data(), 0, vjp[1].data(), w, len) == IMLE_OK);
    CHECK(imle_tree_sample_exact(s, n, t, T, &KEY.c(), th, 0, z[1].data(), indices[1].data(), w, len) == IMLE_OK);
    CHECK(imle_tree_log_prob(s, n, t, T, th, 0, indices[1].data(), log_prob[1].data(), w, len) == IMLE_OK);
    CHECK(imle_tree_kl(s, n, t, T, th, 0, other.data(), 0, kl[1].data(), w, len) == IMLE_OK);
    CHECK(imle_tree_simple(s, n, t, T, th, 0, dz.data(), 0, arcs, grads[1][0].data(), 0, w, len) == IMLE_OK);
    CHECK(imle_tree_score_function(s, n, t, T, th, 0, indices[1].data(), losses.data(), grads[1][1].data(), 0) ==
          IMLE_OK);
    CHECK(imle_tree_unbiased_simple(s, n, t, T, th, 0, indices[1].data(), dz.data(), 0, arcs, losses.data(),
                                    grads[1][2].data(), 0, w, len) == IMLE_OK);
    CHECK(same(mu[0], mu[1]) && same(a[0], a[1]) && same(h[0], h[1]) && same(vjp[0], vjp[1]) && same(z[0], z[1]));
    CHECK(indices[0] == indices[1] && same(log_prob[0], log_prob[1]) && same(kl[0], kl[1]));
    for (int i : {0, 1, 2}) CHECK(same(grads[0][i], grads[1][i]));
}

void trees_give_the_bits_of_c() {
    constexpr std::uint32_t WORDS = 5;
    constexpr std::size_t ARCS = WORDS * WORDS;
    const imle::shape shape = imle::shape().rows(B).words(WORDS).samples(S);
    CHECK(shape.c().n == ARCS && shape.c().k == WORDS);
    const imle::options options = the_options();
    const Floats theta = numbers(B * ARCS, 1), dz = numbers(B * S * ARCS, 2), y = numbers(B * ARCS, 3);
    const Indices n_row = {4, 0, 5, 3, 2};
    for (const bool projective : {false, true}) {
        for (const bool single_root : {false, true}) {
            const auto trees = imle::tree_options().projective(projective).single_root(single_root);
            const imle::tree layer = imle::tree(shape, options, trees).n_row(n_row);
            const std::size_t states = B * S * ARCS, lists = B * S * WORDS;
            Floats work(layer.workspace_len());
            Floats map[2], z[2], marginals[2], grad[2], fy[2], loss[2];
            Indices chosen[2], indices[2], heads[2];
            std::uint32_t row[2] = {9, 9};
            imle_diagnostics counts[2] = {};
            for (int i : {0, 1}) {
                for (Floats *out : {&map[i], &marginals[i], &grad[i], &fy[i]}) out->assign(B * ARCS, UNTOUCHED);
                z[i].assign(states, UNTOUCHED);
                loss[i].assign(B, UNTOUCHED);
                chosen[i].assign(B * WORDS, 7);
                indices[i].assign(lists, 7);
                heads[i].assign(lists, 7);
            }
            const auto per_sample = imle::dz::per_sample(dz);
            CHECK(layer.map(theta, {map[0], chosen[0]}, work) == imle::status::ok);
            CHECK(layer.sample(KEY, theta, {z[0], indices[0], marginals[0]}, work) == imle::status::ok);
            CHECK(layer.gradient(KEY, theta, per_sample, indices[0], grad[0], work, &counts[0]) == imle::status::ok);
            CHECK(layer.fenchel_young(KEY, theta, y, loss[0], fy[0], work) == imle::status::ok);
            CHECK(layer.heads(indices[0], heads[0]) == imle::status::ok);
            CHECK(layer.find_bad_row(theta, per_sample, row[0], work) == imle::status::ok && row[0] == B);

            const imle_shape *s = &shape.c();
            const imle_options *o = &options.c();
            const imle_tree_options *t = &trees.c();
            const std::uint32_t *n = n_row.data();
            float *w = work.data();
            const std::size_t len = imle_tree_workspace_len(s, t);
            CHECK(len == work.size() && len == IMLE_TREE_WORKSPACE_LEN(WORDS, projective, single_root));
            CHECK(imle_tree_map(s, n, t, theta.data(), 0, map[1].data(), chosen[1].data(), w, len) == IMLE_OK);
            CHECK(imle_tree_sample(s, n, t, o, &KEY.c(), theta.data(), 0, z[1].data(), indices[1].data(),
                                   marginals[1].data(), w, len) == IMLE_OK);
            CHECK(imle_tree_gradient(s, n, t, o, &KEY.c(), theta.data(), 0, dz.data(), 0, ARCS, indices[1].data(),
                                     grad[1].data(), 0, &counts[1], w, len) == IMLE_OK);
            CHECK(imle_tree_fenchel_young(s, n, t, o, &KEY.c(), theta.data(), 0, y.data(), 0, loss[1].data(),
                                          fy[1].data(), 0, w, len) == IMLE_OK);
            CHECK(imle_tree_heads(s, n, indices[1].data(), heads[1].data()) == IMLE_OK);
            CHECK(same(map[0], map[1]) && chosen[0] == chosen[1] && same(z[0], z[1]) && indices[0] == indices[1]);
            CHECK(same(marginals[0], marginals[1]) && same(grad[0], grad[1]) && same(fy[0], fy[1]));
            CHECK(same(loss[0], loss[1]) && heads[0] == heads[1] && counts[0].nonzeros == counts[1].nonzeros);
            CHECK(heads[0][4] == 0xffff'ffff && chosen[0][WORDS] == 0xffff'ffff); // row 0 has 4 words, row 1 none

            exact_trees_give_the_bits_of_c(shape, trees, theta, dz, n_row);

            Indices few(lists - 1);
            CHECK(layer.heads(indices[0], few) == imle::status::shape);
            CHECK(layer.heads(few, heads[0]) == imle::status::shape);
            CHECK(imle::tree(shape, options, trees).n_row(imle::span<const std::uint32_t>(n, B - 1))
                      .map(theta, {map[0]}, work) == imle::status::shape);
        }
    }
}

void own_solver_gives_the_bits_of_c() {
    const imle::own_solver layer(the_shape(), the_options());
    const imle::shape shape = the_shape();
    const imle::options options = the_options();
    const Floats theta = the_theta(), dz = numbers(B * S * N, 3), z = numbers(B * S * N, 4);
    const imle::rows<const float> rows(theta, LD);
    Floats ours(B * S * N, UNTOUCHED), theirs(B * S * N, UNTOUCHED);

    CHECK(layer.noise(KEY, ours) == of(imle_noise(&shape.c(), &options.c(), &KEY.c(), theirs.data())));
    CHECK(same(ours, theirs) && !untouched(ours));
    CHECK(layer.perturb(KEY, rows, ours) ==
          of(imle_perturb(&shape.c(), &options.c(), &KEY.c(), theta.data(), LD, theirs.data())));
    CHECK(same(ours, theirs));
    for (const auto &[side, sign] : {std::pair(imle::side::minus, 1), std::pair(imle::side::plus, -1)}) {
        CHECK(layer.target(KEY, side, rows, imle::dz::per_sample(dz), ours) ==
              of(imle_target(&shape.c(), &options.c(), &KEY.c(), sign, theta.data(), LD, dz.data(), 0, N,
                             theirs.data())));
        CHECK(same(ours, theirs));
    }
    Floats grad(ROWS, UNTOUCHED), grad_c(ROWS, UNTOUCHED);
    imle::diagnostics counts{}, counts_c{};
    CHECK(layer.difference(z, dz, {grad, LD}, &counts) ==
          of(imle_difference(&shape.c(), &options.c(), z.data(), dz.data(), grad_c.data(), LD, &counts_c)));
    CHECK(same(grad, grad_c) && !untouched(grad));
    CHECK(counts.states == counts_c.states && counts.unchanged == counts_c.unchanged);
    CHECK(counts.nonzeros == counts_c.nonzeros && counts.nonzeros > 0);
}

// All outputs of the calls of an exact family.
struct ExactOutputs {
    Floats marginals, log_partition, entropy, vjp, z, log_prob, kl;
    Indices indices;

    explicit ExactOutputs(std::uint32_t k)
        : marginals(B * N, UNTOUCHED), log_partition(B, UNTOUCHED), entropy(B, UNTOUCHED), vjp(B * N, UNTOUCHED),
          z(B * S * N, UNTOUCHED), log_prob(B * S, UNTOUCHED), kl(B, UNTOUCHED), indices(B * S * k) {}

    bool operator==(const ExactOutputs &o) const {
        return same(marginals, o.marginals) && same(log_partition, o.log_partition) && same(entropy, o.entropy) &&
               same(vjp, o.vjp) && same(z, o.z) && same(log_prob, o.log_prob) && same(kl, o.kl) &&
               indices == o.indices && !untouched(marginals) && !untouched(kl);
    }
};

template <class Layer>
ExactOutputs exact_through_cpp(const Layer &layer, std::uint32_t k) {
    const Floats theta = the_theta(), v = numbers(B * N, 6), other = numbers(ROWS, 7);
    const imle::rows<const float> rows(theta, LD);
    ExactOutputs out(k);
    Floats work(layer.workspace_len());
    CHECK(layer.marginals(rows, {out.marginals, out.log_partition, out.entropy}, work) == imle::status::ok);
    CHECK(layer.marginals_vjp(rows, v, out.vjp, work) == imle::status::ok);
    CHECK(layer.sample(KEY, rows, {out.z, out.indices}, work) == imle::status::ok);
    CHECK(layer.log_prob(rows, out.indices, out.log_prob, work) == imle::status::ok);
    CHECK(layer.kl(rows, {other, LD}, out.kl, work) == imle::status::ok);
    return out;
}

ExactOutputs exact_topk_through_c(const std::uint32_t *k_row) {
    const Floats theta = the_theta(), v = numbers(B * N, 6), other = numbers(ROWS, 7);
    const imle_shape s = the_shape().c();
    const float *th = theta.data();
    ExactOutputs out(K);
    Floats work(IMLE_TOPK_EXACT_WORKSPACE_LEN(N, K));
    float *w = work.data();
    const std::size_t len = work.size();
    CHECK(imle_topk_marginals(&s, k_row, TEMPERATURE, th, LD, out.marginals.data(), out.log_partition.data(),
                              out.entropy.data(), w, len) == IMLE_OK);
    CHECK(imle_topk_marginals_vjp(&s, k_row, TEMPERATURE, th, LD, v.data(), 0, out.vjp.data(), w, len) == IMLE_OK);
    CHECK(imle_topk_sample_exact(&s, k_row, TEMPERATURE, &KEY.c(), th, LD, out.z.data(), out.indices.data(), w,
                                 len) == IMLE_OK);
    CHECK(imle_topk_log_prob(&s, k_row, TEMPERATURE, th, LD, out.indices.data(), out.log_prob.data(), w, len) ==
          IMLE_OK);
    CHECK(imle_topk_kl(&s, k_row, TEMPERATURE, th, LD, other.data(), LD, out.kl.data(), w, len) == IMLE_OK);
    return out;
}

ExactOutputs exact_argmax_through_c() {
    const Floats theta = the_theta(), v = numbers(B * N, 6), other = numbers(ROWS, 7);
    const imle_shape s = the_shape(1).c();
    const float *th = theta.data();
    ExactOutputs out(1);
    Floats work(IMLE_ARGMAX_EXACT_WORKSPACE_LEN(N));
    float *w = work.data();
    const std::size_t len = work.size();
    CHECK(imle_argmax_marginals(&s, TEMPERATURE, th, LD, out.marginals.data(), out.log_partition.data(),
                                out.entropy.data(), w, len) == IMLE_OK);
    CHECK(imle_argmax_marginals_vjp(&s, TEMPERATURE, th, LD, v.data(), 0, out.vjp.data(), w, len) == IMLE_OK);
    CHECK(imle_argmax_sample_exact(&s, TEMPERATURE, &KEY.c(), th, LD, out.z.data(), out.indices.data(), w, len) ==
          IMLE_OK);
    CHECK(imle_argmax_log_prob(&s, TEMPERATURE, th, LD, out.indices.data(), out.log_prob.data(), w, len) == IMLE_OK);
    CHECK(imle_argmax_kl(&s, TEMPERATURE, th, LD, other.data(), LD, out.kl.data(), w, len) == IMLE_OK);
    return out;
}

void exact_distributions_give_the_bits_of_c() {
    const Indices k_row = {K, 0, 3, 1, 2};
    CHECK(exact_through_cpp(imle::exact_topk(the_shape(), TEMPERATURE), K) == exact_topk_through_c(nullptr));
    CHECK(exact_through_cpp(imle::exact_topk(the_shape(), TEMPERATURE).k_row(k_row), K) ==
          exact_topk_through_c(k_row.data()));
    CHECK(exact_through_cpp(imle::exact_argmax(the_shape(1), TEMPERATURE), 1) == exact_argmax_through_c());
}

void log_partitions_give_the_bits_of_c() {
    const Floats theta = the_theta(), v = numbers(B * LD, 6);
    const imle_shape s = the_shape().c();
    const imle::exact_topk exact(the_shape(), TEMPERATURE);
    Floats all(B * (K + 1), UNTOUCHED), vjp(B * N, UNTOUCHED), work(exact.workspace_len());
    Floats all_of_c = all, vjp_of_c = vjp;
    CHECK(exact.log_partitions({theta, LD}, all, work) == imle::status::ok);
    CHECK(exact.log_partitions_vjp({theta, LD}, {v, LD}, vjp, work) == imle::status::ok);
    CHECK(imle_topk_log_partitions(&s, TEMPERATURE, theta.data(), LD, all_of_c.data(), work.data(), work.size()) ==
          IMLE_OK);
    CHECK(imle_topk_log_partitions_vjp(&s, TEMPERATURE, theta.data(), LD, v.data(), LD, vjp_of_c.data(), work.data(),
                                       work.size()) == IMLE_OK);
    CHECK(same(all, all_of_c) && same(vjp, vjp_of_c) && all[0] == 0.0f && !untouched(vjp));
}

// The outputs of the other estimators, for a family and its exact family.
struct Estimates {
    Floats straight_through, perturbed, loss, fenchel_young, simple, score_function, unbiased_simple;

    Estimates()
        : straight_through(ROWS, UNTOUCHED), perturbed(ROWS, UNTOUCHED), loss(B, UNTOUCHED),
          fenchel_young(ROWS, UNTOUCHED), simple(ROWS, UNTOUCHED), score_function(ROWS, UNTOUCHED),
          unbiased_simple(ROWS, UNTOUCHED) {}

    bool operator==(const Estimates &o) const {
        return same(straight_through, o.straight_through) && same(perturbed, o.perturbed) && same(loss, o.loss) &&
               same(fenchel_young, o.fenchel_young) && same(simple, o.simple) &&
               same(score_function, o.score_function) && same(unbiased_simple, o.unbiased_simple) &&
               !untouched(simple) && !untouched(score_function) && !untouched(unbiased_simple);
    }
};

// The index lists for the score functions: the first k unmasked entries of each row.
Indices the_lists(std::uint32_t k, const Indices &k_row) {
    const Floats theta = the_theta();
    Indices lists;
    for (std::size_t state = 0; state < B * S; state++) {
        const std::uint32_t wanted = k_row.empty() ? k : k_row[state / S];
        std::uint32_t found = 0;
        for (std::uint32_t i = 0; found < wanted; i++) {
            if (std::isfinite(theta[state / S * LD + i])) {
                lists.push_back(i), found++;
            }
        }
        lists.insert(lists.end(), k - found, UINT32_MAX);
    }
    return lists;
}

template <class Choice, class Exact>
Estimates estimates_through_cpp(const Choice &choice, const Exact &exact, std::uint32_t k, const Indices &k_row) {
    const Floats theta = the_theta(), dz = numbers(B * S * N, 2), y = numbers(ROWS, 8), losses = numbers(B * S, 9);
    const imle::rows<const float> rows(theta, LD);
    const auto per_sample = imle::dz::per_sample(dz);
    Estimates out;
    Floats work(choice.workspace_len()), exact_work(exact.workspace_len());
    CHECK(imle::straight_through(the_shape(k), rows, per_sample, {out.straight_through, LD}) == imle::status::ok);
    CHECK(imle::perturbed_gradient(the_shape(k), the_options(), KEY, rows, losses, {out.perturbed, LD}) ==
          imle::status::ok);
    CHECK(choice.fenchel_young(KEY, rows, {y, LD}, out.loss, {out.fenchel_young, LD}, work) == imle::status::ok);
    CHECK(exact.simple(rows, per_sample, {out.simple, LD}, exact_work) == imle::status::ok);
    const Indices lists = the_lists(k, k_row);
    CHECK(exact.score_function(rows, lists, losses, {out.score_function, LD}) == imle::status::ok);
    CHECK(exact.unbiased_simple(rows, lists, per_sample, losses, {out.unbiased_simple, LD}, exact_work) ==
          imle::status::ok);
    return out;
}

// Makes the same calls through C. k = 1 means argmax, which has no k_row.
Estimates estimates_through_c(std::uint32_t k, const Indices &k_row) {
    const Floats theta = the_theta(), dz = numbers(B * S * N, 2), y = numbers(ROWS, 8), losses = numbers(B * S, 9);
    const Indices lists = the_lists(k, k_row);
    const imle::shape shape = the_shape(k);
    const imle::options options = the_options();
    const imle_shape *s = &shape.c();
    const imle_options *o = &options.c();
    const std::uint32_t *ks = k_row.empty() ? nullptr : k_row.data();
    const float *th = theta.data(), *t = y.data(), *d = dz.data(), *l = losses.data();
    Estimates out;
    float *loss = out.loss.data(), *fy = out.fenchel_young.data(), *simple = out.simple.data();
    float *score = out.score_function.data(), *unbiased = out.unbiased_simple.data();
    Floats work(IMLE_TOPK_EXACT_WORKSPACE_LEN(N, K));
    float *w = work.data();
    const std::size_t len = work.size();
    CHECK(imle_straight_through(s, th, LD, d, 0, N, out.straight_through.data(), LD) == IMLE_OK);
    CHECK(imle_perturbed_gradient(s, o, &KEY.c(), th, LD, l, out.perturbed.data(), LD) == IMLE_OK);
    if (k == 1) {
        CHECK(imle_argmax_fenchel_young(s, o, &KEY.c(), th, LD, t, LD, loss, fy, LD, w, len) == IMLE_OK);
        CHECK(imle_argmax_simple(s, TEMPERATURE, th, LD, d, 0, N, simple, LD, w, len) == IMLE_OK);
        CHECK(imle_argmax_score_function(s, TEMPERATURE, th, LD, lists.data(), l, score, LD) == IMLE_OK);
        CHECK(imle_argmax_unbiased_simple(s, TEMPERATURE, th, LD, lists.data(), d, 0, N, l, unbiased, LD, w, len) ==
              IMLE_OK);
    } else {
        CHECK(imle_topk_fenchel_young(s, ks, o, &KEY.c(), th, LD, t, LD, loss, fy, LD, w, len) == IMLE_OK);
        CHECK(imle_topk_simple(s, ks, TEMPERATURE, th, LD, d, 0, N, simple, LD, w, len) == IMLE_OK);
        CHECK(imle_topk_score_function(s, ks, TEMPERATURE, th, LD, lists.data(), l, score, LD) == IMLE_OK);
        CHECK(imle_topk_unbiased_simple(s, ks, TEMPERATURE, th, LD, lists.data(), d, 0, N, l, unbiased, LD, w, len) ==
              IMLE_OK);
    }
    return out;
}

void estimators_give_the_bits_of_c() {
    const Indices k_row = {K, 0, 3, 1, 2};
    imle::topk topk(the_shape(), the_options());
    imle::exact_topk exact(the_shape(), TEMPERATURE);
    CHECK(estimates_through_cpp(topk, exact, K, {}) == estimates_through_c(K, {}));
    CHECK(estimates_through_cpp(topk.k_row(k_row), exact.k_row(k_row), K, k_row) == estimates_through_c(K, k_row));
    CHECK(estimates_through_cpp(imle::argmax(the_shape(1), the_options()), imle::exact_argmax(the_shape(1), TEMPERATURE),
                                1, {}) == estimates_through_c(1, {}));
}

// Runs each rule for 20 updates and compares every state with that of the C functions.
void an_adaptive_lambda_gives_the_bits_of_c() {
    const auto floats = [](const imle_adaptive &c) {
        return Floats{c.a, c.g, c.previous, c.step, c.momentum, c.decay, c.target, c.theta_floor};
    };
    for (const auto rule : {imle::rule::multiplicative, imle::rule::additive}) {
        const std::uint32_t number =
            rule == imle::rule::additive ? IMLE_ADAPTIVE_ADDITIVE : IMLE_ADAPTIVE_MULTIPLICATIVE;
        imle::adaptive ours = imle::adaptive().rule(rule).a(2.0f).g(3.0f).step(0.25f).decay(0.5f).target(1.5f);
        ours.theta_floor(0.5f);
        imle_adaptive theirs;
        imle_adaptive_default(&theirs);
        theirs.rule = number, theirs.a = 2.0f, theirs.g = 3.0f, theirs.step = 0.25f, theirs.decay = 0.5f;
        theirs.target = 1.5f, theirs.theta_floor = 0.5f;
        if (rule == imle::rule::additive) {
            ours.momentum(0.75f);
            theirs.momentum = 0.75f;
        }
        const Floats theta = the_theta();
        for (unsigned i = 0; i < 20; i++) {
            const Floats dz = numbers(theta.size(), i);
            float lambda = UNTOUCHED, lambda_of_c = UNTOUCHED;
            CHECK(ours.lambda(theta, dz, lambda) == of(imle_adaptive_lambda(&theirs, theta.data(), theta.size(),
                                                                            dz.data(), dz.size(), &lambda_of_c)));
            CHECK(same({lambda}, {lambda_of_c}) && lambda > 0.0f && lambda != UNTOUCHED);
            const imle::diagnostics counts{10, 0, i * 7 % 40};
            CHECK(ours.update(counts) == of(imle_adaptive_update(&theirs, &counts)));
            CHECK(ours.c().rule == number && same(floats(ours.c()), floats(theirs)));
        }
        CHECK(ours.c().a != 2.0f);
        CHECK(same(floats(imle::adaptive(theirs).c()), floats(theirs)));
    }
    float lambda = UNTOUCHED;
    CHECK(imle::adaptive().step(0.0f).lambda(Floats{1.0f}, Floats{1.0f}, lambda) == imle::status::option);
    CHECK(lambda == UNTOUCHED);
    CHECK(imle::adaptive().update({}) == imle::status::ok); // nothing was counted
    CHECK(imle::adaptive().lambda({}, Floats{1.0f}, lambda) == imle::status::ok && lambda == 0.0f);
}

// Two parts, added up, against the C functions.
void adaptive_parts_give_the_bits_of_c() {
    const auto same_parts = [](const imle_adaptive_parts &a, const imle_adaptive_parts &b) {
        return std::memcmp(&a, &b, sizeof a) == 0;
    };
    const Floats theta = the_theta(), dz = numbers(theta.size(), 3);
    imle::adaptive_parts first, second;
    CHECK(first.add(theta, {}) == imle::status::ok);
    CHECK(second.add(theta, dz) == imle::status::ok);
    imle_adaptive_parts first_c{}, second_c{};
    CHECK(imle_adaptive_add(&first_c, theta.data(), theta.size(), nullptr, 0) == IMLE_OK);
    CHECK(imle_adaptive_add(&second_c, theta.data(), theta.size(), dz.data(), dz.size()) == IMLE_OK);
    CHECK(same_parts(first.c(), first_c) && same_parts(second.c(), second_c));
    first += second;
    CHECK(first.c().theta_squared == first_c.theta_squared + second_c.theta_squared);
    CHECK(first.c().dz_squared == second_c.dz_squared && first.c().dz_squared > 0);
    CHECK(first.c().theta_len == 2 * first_c.theta_len && first.c().theta_len > 0);
    CHECK(first.c().theta_nonzero == 2 * first_c.theta_nonzero && first.c().theta_nonzero > 0);
    CHECK(same_parts(imle::adaptive_parts(first_c).c(), first_c));

    float lambda = UNTOUCHED, whole = UNTOUCHED;
    CHECK(imle::adaptive().lambda_from(second, lambda) == imle::status::ok);
    CHECK(imle::adaptive().lambda(theta, dz, whole) == imle::status::ok);
    CHECK(lambda == whole && lambda > 0.0f);
    first_c.dz_squared = -1.0;
    CHECK(imle::adaptive().lambda_from(imle::adaptive_parts(first_c), lambda) == imle::status::nonfinite);
    CHECK(lambda == whole);
}

void find_bad_row_finds_the_first_bad_row() {
    Floats theta = the_theta();
    const Floats dz = numbers(B * S * N, 5);
    const Indices k_row = {1, 1, 5, 1, 1}; // row 2 asks for more than K
    std::uint32_t row = 99;
    const imle::rows<const float> rows(theta, LD);
    const auto none = imle::dz::shared({});
    CHECK(imle::topk(the_shape()).find_bad_row(rows, imle::dz::per_sample(dz), row) == imle::status::ok && row == B);
    CHECK(imle::topk(the_shape()).k_row(k_row).find_bad_row(rows, none, row) == imle::status::ok && row == 2);
    theta[1 * LD + 3] = std::nanf("");
    CHECK(imle::topk(the_shape()).find_bad_row(rows, none, row) == imle::status::ok && row == 1);
    CHECK(imle::argmax(the_shape(1)).find_bad_row(rows, none, row) == imle::status::ok && row == 1);
}

// `size` is the least number of floats that a call accepts for one of its arrays: a larger array is good too, and one
// float less is refused.
template <class Call>
void needs(std::size_t size, const Call &call, int line) {
    Floats enough(size, 0.0f), longer(size + 1, 0.0f), one_short(size - 1, 0.0f);
    check(call(imle::span<float>(enough)) == imle::status::ok, "an array of the needed size is refused", line);
    check(call(imle::span<float>(longer)) == imle::status::ok, "an array that is longer than needed is refused", line);
    check(call(imle::span<float>(one_short)) == imle::status::shape, "an array that is too short is not refused", line);
}

#define NEEDS(size, ...) needs((size), [&](imle::span<float> it) { return __VA_ARGS__; }, __LINE__)

void spans_must_hold_the_shape() {
    const imle::topk layer(the_shape(), the_options());
    const imle::own_solver own(the_shape(), the_options());
    const Floats in(B * S * N, 0.25f);
    Floats out(B * S * N), work(layer.workspace_len());
    Indices indices(B * S * K), few(B * S * K - 1);
    const auto dz = imle::dz::per_sample(in);

    NEEDS(B * N, layer.map(it, {out}, work));
    NEEDS(ROWS, layer.map({it, LD}, {out}, work));
    NEEDS(B * N, layer.map(in, {it}, work));
    NEEDS(B * S * N, layer.sample(KEY, in, {it}, work));
    NEEDS(B * N, layer.sample(KEY, in, {{}, {}, it}, work));
    NEEDS(B * S * N, layer.gradient(KEY, in, imle::dz::per_sample(it), {}, out, work));
    NEEDS(B * N, layer.gradient(KEY, in, imle::dz::shared(it), {}, out, work));
    NEEDS(B * S * LD - LD + N, layer.gradient(KEY, in, imle::dz::strided(it, 0, LD), {}, out, work));
    NEEDS((B - 1) * 99 + 2 * LD + N, layer.gradient(KEY, in, imle::dz::strided(it, 99, LD), {}, out, work));
    NEEDS(B * N, layer.gradient(KEY, in, dz, {}, it, work));
    NEEDS(ROWS, layer.gradient(KEY, in, dz, {}, {it, LD}, work));
    NEEDS(B * N, own.perturb(KEY, it, out));
    NEEDS(B * S * N, own.perturb(KEY, in, it));
    NEEDS(B * S * N, own.target(KEY, imle::side::minus, in, imle::dz::per_sample(it), out));
    NEEDS(B * S * N, own.target(KEY, imle::side::minus, in, dz, it));
    NEEDS(B * S * N, own.difference(it, in, out));
    NEEDS(B * S * N, own.difference(in, it, out));
    NEEDS(B * N, own.difference(in, in, it));
    NEEDS(B * S * N, own.noise(KEY, it));

    std::fill(out.begin(), out.end(), UNTOUCHED);
    CHECK(layer.map(in, {out, imle::span<std::uint32_t>(few.data(), B * K - 1)}, work) == imle::status::shape);
    CHECK(layer.sample(KEY, in, {out, few}, work) == imle::status::shape);
    CHECK(layer.gradient(KEY, in, dz, few, out, work) == imle::status::shape);
    CHECK(imle::topk(the_shape()).k_row(imle::span<const std::uint32_t>(few.data(), B - 1)).map(in, {out}, work) ==
          imle::status::shape);
    CHECK(untouched(out));
    CHECK(layer.sample(KEY, in, {{}, indices}, work) == imle::status::ok);
}

void spans_of_exact_calls_must_hold_the_shape() {
    const imle::exact_topk layer(the_shape());
    const Floats in(B * N, 0.25f);
    Floats out(B * S * N, UNTOUCHED), work(layer.workspace_len());
    Indices indices(B * S * K), few(B * S * K - 1);
    CHECK(layer.sample(KEY, in, {{}, indices}, work) == imle::status::ok);

    NEEDS(B * N, layer.marginals(it, {out}, work));
    NEEDS(B * N, layer.marginals(in, {it}, work));
    NEEDS(B, layer.marginals(in, {{}, it}, work));
    NEEDS(B, layer.marginals(in, {{}, {}, it}, work));
    NEEDS(B * N, layer.marginals_vjp(in, it, out, work));
    NEEDS(ROWS, layer.marginals_vjp(in, {it, LD}, out, work));
    NEEDS(B * N, layer.marginals_vjp(in, in, it, work));
    NEEDS(B * S * N, layer.sample(KEY, in, {it}, work));
    NEEDS(B * S, layer.log_prob(in, indices, it, work));
    NEEDS(B * N, layer.kl(in, it, out, work));
    NEEDS(B, layer.kl(in, in, it, work));
    NEEDS(B * N, layer.log_partitions(it, out, work));
    NEEDS(B * (K + 1), layer.log_partitions(in, it, work));
    NEEDS(B * N, layer.log_partitions_vjp(it, in, out, work));
    NEEDS(B * (K + 1), layer.log_partitions_vjp(in, it, out, work));
    NEEDS((B - 1) * 7 + K + 1, layer.log_partitions_vjp(in, {it, 7}, out, work));
    NEEDS(B * N, layer.log_partitions_vjp(in, in, it, work));

    std::fill(out.begin(), out.end(), UNTOUCHED);
    CHECK(layer.sample(KEY, in, {out, few}, work) == imle::status::shape);
    CHECK(layer.log_prob(in, few, out, work) == imle::status::shape);
    CHECK(imle::exact_topk(the_shape(), 0.0f).sample(KEY, in, {out}, work) == imle::status::option);
    CHECK(imle::exact_argmax(the_shape()).sample(KEY, in, {out}, work) == imle::status::shape); // k is not 1
    CHECK(layer.marginals(in, {}, work) == imle::status::null);
    CHECK(untouched(out));
}

void spans_of_estimators_must_hold_the_shape() {
    const imle::topk layer(the_shape(), the_options());
    const imle::exact_topk exact(the_shape());
    const Floats in(B * S * N, 0.25f);
    Floats out(B * N), loss(B), work(layer.workspace_len()), exact_work(exact.workspace_len());
    const Indices lists = the_lists(K, {}), few(B * S * K - 1);
    const Floats theta = the_theta();
    const imle::rows<const float> rows(theta, LD);
    const auto dz = imle::dz::per_sample(in);

    NEEDS(B * N, imle::straight_through(the_shape(), it, dz, out));
    NEEDS(B * S * N, imle::straight_through(the_shape(), in, imle::dz::per_sample(it), out));
    NEEDS(B * N, imle::straight_through(the_shape(), in, dz, it));
    NEEDS(B * N, imle::perturbed_gradient(the_shape(), the_options(), KEY, it, in, out));
    NEEDS(B * S, imle::perturbed_gradient(the_shape(), the_options(), KEY, in, it, out));
    NEEDS(ROWS, imle::perturbed_gradient(the_shape(), the_options(), KEY, in, in, {it, LD}));
    NEEDS(B * N, layer.fenchel_young(KEY, it, in, loss, out, work));
    NEEDS(B * N, layer.fenchel_young(KEY, in, it, loss, out, work));
    NEEDS(B, layer.fenchel_young(KEY, in, in, it, out, work));
    NEEDS(B * N, layer.fenchel_young(KEY, in, in, loss, it, work));
    NEEDS(B * N, exact.simple(it, dz, out, exact_work));
    NEEDS(B * N, exact.simple(in, imle::dz::shared(it), out, exact_work));
    NEEDS(B * N, exact.simple(in, dz, it, exact_work));
    NEEDS(B * S, exact.score_function(rows, lists, it, out));
    NEEDS(B * N, exact.score_function(rows, lists, in, it));
    NEEDS(B * S * N, exact.unbiased_simple(rows, lists, imle::dz::per_sample(it), in, out, exact_work));
    NEEDS(B * S, exact.unbiased_simple(rows, lists, dz, it, out, exact_work));
    NEEDS(B * N, exact.unbiased_simple(rows, lists, dz, in, it, exact_work));

    std::fill(out.begin(), out.end(), UNTOUCHED);
    CHECK(exact.score_function(rows, few, in, out) == imle::status::shape);
    CHECK(exact.unbiased_simple(rows, few, dz, in, out, exact_work) == imle::status::shape);
    CHECK(exact.score_function({theta, N - 1}, lists, in, out) == imle::status::stride);
    CHECK(untouched(out));
}

void calls_refuse_what_c_refuses() {
    const imle::topk layer(the_shape());
    const Floats theta(B * N, 0.0f);
    Floats z(B * S * N, UNTOUCHED), work(layer.workspace_len());
    CHECK(layer.map(theta, {}, work) == imle::status::null);
    CHECK(layer.map(imle::span<const float>(), {z}, work) == imle::status::null);
    CHECK(layer.map({theta, N - 1}, {z}, work) == imle::status::stride);
    CHECK(layer.map(theta, {z}, imle::span<float>(work.data(), work.size() - 1)) == imle::status::workspace);
    CHECK(layer.map(theta, {z}, z) == imle::status::overlap);
    CHECK(imle::topk(the_shape().k(N + 1)).map(theta, {z}, work) == imle::status::shape);
    CHECK(imle::topk(imle::shape()).map(theta, {z}, work) == imle::status::shape); // n was not set
    CHECK(imle::topk(the_shape().rows(0)).map(theta, {z}, work) == imle::status::ok); // an empty batch writes nothing
    CHECK(imle::topk(the_shape(), imle::options().lambda(0.0f)).sample(KEY, theta, {z}, work) == imle::status::option);
    CHECK(untouched(z));

    const std::uint32_t huge = 0xffff'ffff; // sizes whose products overflow
    CHECK(imle::topk(the_shape().rows(huge).n(huge).samples(huge)).sample(KEY, theta, {z}, work) ==
          imle::status::shape);
    CHECK(imle::topk(the_shape()).map({theta, std::numeric_limits<std::size_t>::max()}, {z}, work) ==
          imle::status::stride);
    CHECK(imle::topk(the_shape().k(N + 1)).workspace_len() == 0);
    CHECK(imle::argmax(the_shape()).workspace_len() == 0); // k is not 1
}

void keys_name_rows_and_samples() {
    const std::size_t states = B * S * N;
    const Floats theta(B * N, 0.5f);
    Floats z(states), moved(states), work(imle::topk(the_shape()).workspace_len());
    const auto options = imle::options().coupling(imle::coupling::stratified);
    const imle::topk layer(the_shape(), options);
    CHECK(layer.sample(KEY, theta, {z}, work) == imle::status::ok);

    // The rows in reverse order, each with its number.
    std::vector<std::uint64_t> ids(B);
    for (std::size_t b = 0; b < B; ++b) {
        ids[b] = B - 1 - b;
    }
    const imle::key reversed = imle::key(KEY).row_ids(ids);
    CHECK(layer.sample(reversed, theta, {moved}, work) == imle::status::ok);
    for (std::size_t b = 0; b < B; ++b) {
        const auto row = moved.begin() + static_cast<std::ptrdiff_t>(b * S * N);
        CHECK(std::equal(row, row + static_cast<std::ptrdiff_t>(S * N), z.begin() + static_cast<std::ptrdiff_t>(ids[b] * S * N)));
    }
    ids.pop_back();
    CHECK(layer.sample(imle::key(KEY).row_ids(ids), theta, {moved}, work) == imle::status::shape);
    CHECK(layer.sample(imle::key(KEY).row_ids({}), theta, {moved}, work) == imle::status::shape);

    // The last sample of every row alone.
    const imle::topk last(the_shape().samples(1), options);
    CHECK(last.sample(imle::key(KEY).samples(S - 1, S), theta, {moved}, work) == imle::status::ok);
    for (std::size_t b = 0; b < B; ++b) {
        const auto state = moved.begin() + static_cast<std::ptrdiff_t>(b * N);
        CHECK(std::equal(state, state + static_cast<std::ptrdiff_t>(N), z.begin() + static_cast<std::ptrdiff_t>((b * S + S - 1) * N)));
    }
    CHECK(last.sample(imle::key(KEY).samples(S, S), theta, {moved}, work) == imle::status::shape);
    CHECK(imle::topk(the_shape()).sample(imle::key(KEY).samples(0, S), theta, {moved}, work) == imle::status::option);
}

void setters_set_the_fields_of_c() {
    const imle::options set = imle::options()
                                  .noise(imle::noise::none)
                                  .temperature(2.0f)
                                  .target_temperature(3.0f)
                                  .alpha(4.0f)
                                  .lambda(5.0f)
                                  .target(imle::target::combinatorial)
                                  .difference(imle::difference::central)
                                  .scale(imle::scale::none);
    const imle_options &c = set.c();
    CHECK(c.struct_size == sizeof c && c.noise == IMLE_NOISE_NONE && c.temperature == 2.0f);
    CHECK(c.target_temperature == 3.0f && c.alpha == 4.0f && c.lambda == 5.0f);
    CHECK(c.target == IMLE_TARGET_COMBINATORIAL && c.difference == IMLE_DIFFERENCE_CENTRAL);
    CHECK(c.scale == IMLE_SCALE_NONE);

    const imle::options gammas = imle::options().sum_of_gamma(50, 2.5f);
    CHECK(gammas.c().noise == IMLE_NOISE_SUM_OF_GAMMA && gammas.c().sog_terms == 50 && gammas.c().sog_kappa == 2.5f);
    const imle::options limit = imle::options().sum_of_gamma(IMLE_SOG_TERMS_INFINITE);
    CHECK(limit.c().sog_terms == 0xffff'ffff && limit.c().sog_kappa == 0.0f);

    imle_options defaults;
    imle_options_default(&defaults);
    CHECK(imle::options().c().noise == defaults.noise && imle::options().c().lambda == defaults.lambda);

    const imle_shape shape = imle::shape().rows(2).n(3).k(1).samples(4).c();
    CHECK(shape.rows == 2 && shape.n == 3 && shape.k == 1 && shape.samples == 4);
    CHECK(KEY.c().seed == 11 && KEY.c().step == 7 && KEY.c().row0 == 1'000'000'000'000);
}

void arrays_of_every_kind_become_spans() {
    const imle::topk layer(imle::shape().n(3));
    const float c_array[3] = {1.0f, 2.0f, 0.0f};
    const std::array<float, 3> array = {1.0f, 2.0f, 0.0f};
    float z[3], work[IMLE_TOPK_WORKSPACE_LEN(3, 1)];
    CHECK(layer.map(c_array, {z}, work) == imle::status::ok && z[1] == 1.0f);
    CHECK(layer.map(array, {z}, work) == imle::status::ok && z[1] == 1.0f);
    CHECK(layer.map(imle::span<const float>(c_array, 3), {z}, work) == imle::status::ok && z[1] == 1.0f);
    static_assert(!std::is_convertible_v<const std::array<float, 3> &, imle::span<float>>, "const stays const");
    static_assert(!std::is_convertible_v<std::vector<double> &, imle::span<const float>>, "double is not float");
#if defined(__cpp_lib_span)
    static_assert(std::is_same_v<imle::span<float>, std::span<float>>);
#endif
}

void versions_and_messages_are_those_of_c() {
    CHECK(imle::abi_version() == IMLE_ABI_VERSION);
    CHECK(std::strcmp(imle::version(), IMLE_VERSION) == 0);
    CHECK(std::strcmp(imle::kernel(), imle_kernel()) == 0);
    CHECK(std::strcmp(imle::message(imle::status::overlap), imle_status_message(IMLE_ERR_OVERLAP)) == 0);
}

void or_throw_throws_the_status() {
#if defined(__cpp_exceptions)
    imle::or_throw(imle::status::ok);
    bool thrown = false;
    try {
        imle::or_throw(imle::status::infeasible);
    } catch (const imle::error &error) {
        thrown = error.code() == imle::status::infeasible &&
                 std::strcmp(error.what(), imle_status_message(IMLE_ERR_INFEASIBLE)) == 0;
    }
    CHECK(thrown);
#endif
}

} // namespace

int main() {
    choices_give_the_bits_of_c();
    trees_give_the_bits_of_c();
    own_solver_gives_the_bits_of_c();
    exact_distributions_give_the_bits_of_c();
    log_partitions_give_the_bits_of_c();
    estimators_give_the_bits_of_c();
    an_adaptive_lambda_gives_the_bits_of_c();
    adaptive_parts_give_the_bits_of_c();
    find_bad_row_finds_the_first_bad_row();
    spans_must_hold_the_shape();
    spans_of_exact_calls_must_hold_the_shape();
    spans_of_estimators_must_hold_the_shape();
    calls_refuse_what_c_refuses();
    keys_name_rows_and_samples();
    setters_set_the_fields_of_c();
    arrays_of_every_kind_become_spans();
    versions_and_messages_are_those_of_c();
    or_throw_throws_the_status();
    return failures == 0 ? 0 : 1;
}
