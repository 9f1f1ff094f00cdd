// minimal.c in C++17, without exceptions and without RTTI: learns which 3 of 12 sensors read a quantity.
#include "board.h"
#include "imle.hpp"

constexpr int N = 12, K = 3, STEPS = 1000;
static float theta[N], reading[N], dz[N], grad[N], work[IMLE_TOPK_WORKSPACE_LEN(N, K)];
static std::uint32_t chosen[K], random_state = 1;

static float noise() { // from -1 to 1
    random_state = random_state * 1664525u + 1013904223u;
    return static_cast<float>(random_state) / 2147483648.0f - 1.0f;
}

static void expect(imle::status s) {
    if (s != imle::status::ok) board_write(imle::message(s)), board_exit(1);
}

int main() {
    const auto shape = imle::shape().rows(1).n(N).k(K).samples(1);
    imle::adaptive adaptive; // finds lambda
    imle::diagnostics counts;
    float lambda = 1;
    for (std::uint64_t step = 0; step < STEPS; step++) {
        const auto key = imle::key().seed(42).step(step);
        float quantity = noise(), error = -quantity; // error = mean of the chosen readings - quantity
        for (int i = 0; i < N; i++) reading[i] = noise() + (i == 2 || i == 5 || i == 9 ? quantity : 0.0f);
        expect(imle::topk(shape).sample(key, theta, {{}, chosen}, work));
        for (auto i : chosen) error += reading[i] / K;
        for (int i = 0; i < N; i++) dz[i] = error * reading[i] / K; // the gradient of error^2 / 2
        expect(adaptive.lambda(theta, dz, lambda));
        if (lambda == 0) continue; // dz is 0: there is nothing to learn
        const imle::topk layer(shape, imle::options().lambda(lambda));
        expect(layer.gradient(key, theta, imle::dz::shared(dz), chosen, grad, work, &counts));
        expect(adaptive.update(counts));
        for (int i = 0; i < N; i++) theta[i] -= 0.1f * grad[i];
    }
    expect(imle::topk(shape).map(theta, {{}, chosen}, work));
    for (auto i : chosen) { const char name[] = {static_cast<char>('A' + i), ' ', 0}; board_write(name); }
    board_write("are the best sensors\n");
}
