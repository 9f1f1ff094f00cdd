/* Learns which 3 of 12 sensors read a quantity. Sensors C, F and J read it with noise, the others read only noise. */
#include "board.h"
#include "imle.h"

enum { N = 12, K = 3, STEPS = 1000, WORK = IMLE_TOPK_WORKSPACE_LEN(N, K) };
static float theta[N], reading[N], dz[N], grad[N], work[WORK];
static uint32_t chosen[K], random_state = 1;

static float noise(void) { /* from -1 to 1 */
    random_state = random_state * 1664525u + 1013904223u;
    return (float)random_state / 2147483648.0f - 1.0f;
}

static void expect(imle_status s) {
    if (s != IMLE_OK) board_write(imle_status_message(s)), board_exit(1);
}

int main(void) {
    const imle_shape shape = {.rows = 1, .n = N, .k = K, .samples = 1};
    imle_options options;
    imle_adaptive adaptive; /* finds lambda */
    imle_diagnostics counts;
    imle_options_default(&options);
    imle_adaptive_default(&adaptive);
    for (imle_key key = {.seed = 42}; key.step < STEPS; key.step++) {
        float quantity = noise(), error = -quantity; /* error = mean of the chosen readings - quantity */
        for (int i = 0; i < N; i++) reading[i] = noise() + (i == 2 || i == 5 || i == 9 ? quantity : 0.0f);
        expect(imle_topk_sample(&shape, 0, &options, &key, theta, 0, 0, chosen, 0, work, WORK));
        for (int j = 0; j < K; j++) error += reading[chosen[j]] / K;
        for (int i = 0; i < N; i++) dz[i] = error * reading[i] / K; /* the gradient of error^2 / 2 */
        expect(imle_adaptive_lambda(&adaptive, theta, N, dz, N, &options.lambda));
        if (options.lambda == 0.0f) continue; /* dz is 0: there is nothing to learn */
        expect(imle_topk_gradient(&shape, 0, &options, &key, theta, 0, dz, 0, 0, chosen, grad, 0, &counts, work, WORK));
        expect(imle_adaptive_update(&adaptive, &counts));
        for (int i = 0; i < N; i++) theta[i] -= 0.1f * grad[i];
    }
    expect(imle_topk_map(&shape, 0, theta, 0, 0, chosen, work, WORK));
    for (int j = 0; j < K; j++) board_write((const char[]){(char)('A' + chosen[j]), ' ', 0});
    return board_write("are the best sensors\n"), 0;
}
