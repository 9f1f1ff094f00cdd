// imle through its C ABI, the same in straightforward C++, and two limits: the bare generator and one read of theta.
// Every function returns the seconds that `repeats` calls took, or NaN if imle reports an error.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "imle.h"
#include "shared.hpp"

namespace {

// Marks the k largest scores. `order` is scratch.
void top_k(const float *scores, std::uint32_t n, std::uint32_t k, std::vector<std::uint32_t> &order) {
    order.resize(n);
    std::iota(order.begin(), order.end(), 0);
    std::nth_element(order.begin(), order.begin() + k, order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
}

// Sixteen lanes of 32 bits, in registers as wide as the machine's.
#ifdef __AVX512F__
constexpr int WIDTH = 64;
#else
constexpr int WIDTH = 32;
#endif
constexpr int PARTS = 64 / WIDTH;
typedef std::uint32_t lanes __attribute__((vector_size(WIDTH)));
typedef float floats __attribute__((vector_size(WIDTH)));

lanes rotate(lanes x, int by) {
    return x << by | x >> (32 - by);
}

} // namespace

extern "C" {

double cpp_forward_backward(const imle_shape *shape, int sum_of_gamma, const float *theta, const float *dz, float *z,
                            float *grad, int repeats) {
    static std::mt19937 generator;
    const std::uint32_t n = shape->n, k = shape->k, samples = shape->samples;
    std::extreme_value_distribution<float> gumbel;
    std::gamma_distribution<float> gamma(1.0F / float(k));
    const auto noise = [&] {
        if (!sum_of_gamma) return gumbel(generator);
        float sum = -std::log(10.0F);
        for (int i = 1; i <= 10; i++) sum += gamma(generator) * float(k) / float(i);
        return sum / float(k);
    };
    std::vector<float> epsilon(n), scores(n);
    std::vector<std::uint32_t> order;
    return seconds(repeats, [&] {
        std::fill_n(z, std::size_t(shape->rows) * samples * n, 0.0F);
        std::fill_n(grad, std::size_t(shape->rows) * n, 0.0F);
        for (std::uint32_t b = 0; b < shape->rows; b++) {
            const float *t = theta + std::size_t(b) * n;
            float *g = grad + std::size_t(b) * n;
            for (std::uint32_t s = 0; s < samples; s++) {
                const std::size_t state = (std::size_t(b) * samples + s) * n;
                for (std::uint32_t i = 0; i < n; i++) scores[i] = t[i] + (epsilon[i] = noise());
                top_k(scores.data(), n, k, order);
                for (std::uint32_t j = 0; j < k; j++) z[state + order[j]] = 1.0F, g[order[j]] += 1.0F / float(samples);
                for (std::uint32_t i = 0; i < n; i++) scores[i] = t[i] - dz[state + i] + epsilon[i];
                top_k(scores.data(), n, k, order);
                for (std::uint32_t j = 0; j < k; j++) g[order[j]] -= 1.0F / float(samples);
            }
        }
    });
}

double cpp_map(const imle_shape *shape, const float *theta, std::uint32_t *indices, int repeats) {
    std::vector<std::uint32_t> order;
    return seconds(repeats, [&] {
        for (std::uint32_t b = 0; b < shape->rows; b++) {
            top_k(theta + std::size_t(b) * shape->n, shape->n, shape->k, order);
            std::copy_n(order.begin(), shape->k, indices + std::size_t(b) * shape->k);
        }
    });
}

double imle_forward_backward(const imle_shape *shape, int sum_of_gamma, const float *theta, const float *dz, float *z,
                             float *grad, int repeats) {
    static std::uint64_t step;
    imle_options options;
    imle_options_default(&options);
    if (sum_of_gamma) options.noise = IMLE_NOISE_SUM_OF_GAMMA;
    std::vector<float> work(imle_topk_workspace_len(shape));
    std::vector<std::uint32_t> indices(std::size_t(shape->rows) * shape->samples * shape->k);
    imle_status status = IMLE_OK;
    const double time = seconds(repeats, [&] {
        const imle_key key = {42, step++, 0, nullptr, 0, 0};
        status |= imle_topk_sample(shape, nullptr, &options, &key, theta, 0, z, indices.data(), nullptr, work.data(),
                                   work.size());
        status |= imle_topk_gradient(shape, nullptr, &options, &key, theta, 0, dz, 0, shape->n, indices.data(), grad, 0,
                                     nullptr, work.data(), work.size());
    });
    return status == IMLE_OK ? time : NAN;
}

double imle_map(const imle_shape *shape, const float *theta, std::uint32_t *indices, int repeats) {
    std::vector<float> work(imle_topk_workspace_len(shape));
    imle_status status = IMLE_OK;
    const double time = seconds(repeats, [&] {
        status |= imle_topk_map(shape, nullptr, theta, 0, nullptr, indices, work.data(), work.size());
    });
    return status == IMLE_OK ? time : NAN;
}

double imle_exact(const imle_shape *shape, const float *theta, const float *v, float *mu, float *vjp, int repeats) {
    std::vector<float> work(imle_topk_exact_workspace_len(shape));
    imle_status status = IMLE_OK;
    const double time = seconds(repeats, [&] {
        status |= imle_topk_marginals(shape, nullptr, 1.0F, theta, 0, mu, nullptr, nullptr, work.data(), work.size());
        status |= imle_topk_marginals_vjp(shape, nullptr, 1.0F, theta, 0, v, 0, vjp, work.data(), work.size());
    });
    return status == IMLE_OK ? time : NAN;
}

// Fills n words (a multiple of 16, aligned to 64 bytes) from sixteen lanes of xoshiro128++.
double generator(std::uint32_t *words, std::size_t n, int repeats) {
    lanes state[PARTS][4];
    for (auto &part : state)
        for (std::uint32_t i = 0; i < 4; i++) part[i] = lanes{} + (i + 1);
    return seconds(repeats, [&] {
        for (std::size_t i = 0; i < n / 16; i++) {
            for (int part = 0; part < PARTS; part++) {
                auto &[s0, s1, s2, s3] = state[part];
                reinterpret_cast<lanes *>(words)[i * PARTS + std::size_t(part)] = rotate(s0 + s3, 7) + s0;
                const lanes t = s1 << 9;
                s2 ^= s0, s3 ^= s1, s1 ^= s2, s0 ^= s3, s2 ^= t;
                s3 = rotate(s3, 11);
            }
        }
    });
}

// Sums n floats (a multiple of 128, aligned to 64 bytes).
double one_read(const float *theta, std::size_t n, int repeats) {
    return seconds(repeats, [&] {
        floats sums[8] = {};
        for (std::size_t i = 0; i < n / 16 * PARTS; i += 8)
            for (int j = 0; j < 8; j++) sums[j] += reinterpret_cast<const floats *>(theta)[i + j];
        const floats sum = sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
        asm volatile("" : : "m"(sum)); // it is wanted
    });
}
}
